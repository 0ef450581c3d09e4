"""The engine's files as browsers get them from the app."""

import gzip

import pytest
from starlette.testclient import TestClient

from emotion import EmotionClassifier
from emotion.web.browser.served import DeviceFiles

pytestmark = pytest.mark.slow


class Host:
    def __init__(self):
        self.classifier = EmotionClassifier.from_pretrained()


def ask(files, path, **headers):
    return TestClient(files).get(f"{files.address}/{path}", headers=headers)


@pytest.fixture(scope="module")
def files():
    return DeviceFiles(Host(), with_model=True)


def test_browsers_get_modules_that_they_may_keep(files):
    script = ask(files, "engine/worker.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    packed = ask(files, "engine/vendor/litert.wasm.gz")
    assert "content-encoding" not in packed.headers, "the engine unpacks it itself"
    assert gzip.decompress(packed.content)[:4] == b"\0asm"
    assert "live.welcome" in ask(files, "words/en.json").json()


def test_nothing_else_is_there(files):
    for path in ("engine/../served.py", "served.py", "model/config.json", "model/", "", "page/offline.js"):
        assert ask(files, path).status_code == 404
    assert TestClient(files).get("/device/0a1b2c3d/engine/worker.js").status_code == 404


def test_a_model_is_asked_for_again_only_when_it_changed():
    host = Host()
    files = DeviceFiles(host, with_model=True)
    first = ask(files, "model/engine.json")
    assert first.json()["model"]["labels"] == ["angry", "happy", "sad"]
    again = {"If-None-Match": first.headers["etag"]}
    assert ask(files, "model/engine.json", **again).status_code == 304
    host.classifier = EmotionClassifier.from_pretrained()
    host.classifier.model_name = "owner/newer"
    newer = ask(files, "model/engine.json", **again)
    assert (newer.status_code, newer.json()["model"]["name"]) == (200, "owner/newer")


def test_a_host_who_keeps_live_on_the_server_hands_out_no_model():
    kept = DeviceFiles(Host(), with_model=False)
    assert ask(kept, "model/model.tflite.gz").status_code == 404
    assert ask(kept, "page/live.js").status_code == 200


def test_a_model_that_no_browser_can_run_is_not_there():
    host = Host()
    host.classifier.folder = None
    assert ask(DeviceFiles(host, with_model=True), "model/engine.json").status_code == 404
