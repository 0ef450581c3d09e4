"""Results lie on the disk only until their visitor fetched them."""

import os
import re

import pytest
from starlette.testclient import TestClient

from emotion.errors import EmotionError
from emotion.web.inside.results import SendOnce, offer
from emotion.web.inside.uploads import sweep
from tests.web.inside.test_requests import Echo

pytestmark = pytest.mark.slow

PLENTY = 10**9  # bytes


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    return tmp_path / "gradio"


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def fetch(name, **more):
    return TestClient(SendOnce(Echo())).get(f"/result/{name}", **more)


def test_a_result_is_sent_whole_once_and_is_gone_then(folder):
    name = offer([b"moving ", b"pictures"], most=PLENTY)
    assert re.fullmatch("[0-9a-f]{32}", name)
    assert [path.read_bytes() for path in files(folder)] == [b"moving pictures"]
    told = fetch(name, headers={"Range": "bytes=0-3"})
    assert (told.status_code, told.text) == (200, "moving pictures")
    assert told.headers["content-type"] == "video/mp4"
    assert told.headers["cache-control"] == "no-store"
    assert files(folder) == []
    assert fetch(name).text == "0", "handed on, as every address that is not known here"


@pytest.mark.parametrize("name", ["..%2Fresult", "f" * 31, "F" * 32, "0" * 32])
def test_other_names_lead_nowhere(folder, name):
    offer([b"moving pictures"], most=PLENTY)
    assert fetch(name).text == "0"
    assert len(files(folder)) == 1


@pytest.mark.usefixtures("folder")
def test_below_another_address_and_with_another_method():
    name = offer([b"moving pictures"], most=PLENTY)
    assert TestClient(SendOnce(Echo())).post(f"/result/{name}").text == "0"
    below = TestClient(SendOnce(Echo()), root_path="/app")
    assert below.get(f"/app/result/{name}").text == "moving pictures"


def test_what_nobody_fetches_goes(folder):
    offer([b"moving pictures"], most=PLENTY)
    sweep([set()], 600)
    [path] = files(folder)
    os.utime(path, (0, 0))
    sweep([set()], 600)
    assert files(folder) == []


def test_what_breaks_off_leaves_nothing_and_a_full_disk_is_explained(folder):
    def pieces(error):
        yield b"moving "
        raise error

    with pytest.raises(EmotionError, match="No space left on device"):
        offer(pieces(OSError(28, "No space left on device")), most=PLENTY)
    with pytest.raises(KeyboardInterrupt):
        offer(pieces(KeyboardInterrupt()), most=PLENTY)
    assert files(folder) == []


def test_results_share_the_room_with_uploads_and_the_oldest_goes(folder):
    first, second = offer([b"x" * 400], most=1000), offer([b"x" * 400], most=1000)
    for age, path in enumerate(sorted(files(folder), key=lambda path: path.parent.name == first)):
        os.utime(path, (1000 - age, 1000 - age))
    third = offer([b"x" * 400], most=1000)
    assert {path.parent.name for path in files(folder)} == {second, third}
    offer([b"x" * 4000], most=1000)
    assert [path.stat().st_size for path in files(folder)] == [4000]
