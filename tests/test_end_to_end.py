"""The whole loop with real processes: train, publish, pull, serve, classify, and a stranger with Keras."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from tests.conftest import SMALL_RUN
from tests.drawn_faces import draw_face
from tests.hub_server import HubServer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
MODEL = "user/facial-emotion"
LABELS = ("angry", "happy", "sad")
# What TensorFlow, LiteRT and others say of themselves.
FOREIGN = re.compile(r"oneDNN|absl::|XNNPACK|^[IWE]\d{4} |:tensorflow|Assets written|mcp\.server", re.M)


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[HubServer]:
    """One Hub for the whole story; every process here finds it by its environment."""
    with HubServer(tmp_path_factory.mktemp("home")) as server:
        server.sign_in()
        yield server


@pytest.fixture(scope="module")
def run(hub, drawn_data, tmp_path_factory) -> Path:
    """The folder of a run that `train.py --push` trained and published."""
    output = tmp_path_factory.mktemp("runs") / "today"
    options = ["--data", drawn_data, "--background", "neutral", "--output", output, "--tag", "v1", "--push"]
    for name, value in SMALL_RUN.items():
        options += ["--" + name.replace("_", "-"), *(value if isinstance(value, tuple) else (value,))]
    done = train_script(hub, *options)
    assert done.returncode == 0, done.stderr
    assert f"Published: {hub.url}/{MODEL}\n" in done.stdout
    assert not FOREIGN.search(done.stdout + done.stderr), "the terminal shows our words only"
    return output


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> dict[str, list[Path]]:
    """Eight new faces per emotion, as files."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(7)
    files = {label: [folder / f"{label}{index}.png" for index in range(8)] for label in LABELS}
    for label, paths in files.items():
        for path in paths:
            Image.fromarray(draw_face(label, rng, size=96)).save(path)
    return files


@pytest.mark.usefixtures("run")
def test_training_publishes_one_commit_with_a_card_that_names_the_model(hub):
    assert len(hub.repository(MODEL).history()) == 2
    assert hub.repository(MODEL).tags["v1"] is hub.repository(MODEL).branches["main"]
    files = hub.files(MODEL)
    assert {"config.json", "metadata.json", "model.weights.h5", "model.tflite"} < files.keys()
    assert {"emotion.json", "report.json", "README.md", "plots/confusion_matrix.png"} < files.keys()
    assert not [path for path in files if "wrong" in path or "checkpoint" in path or path.endswith(".csv")]
    card = files["README.md"].decode()
    assert f'from_pretrained("{MODEL}")' in card
    assert f'load_model("hf://{MODEL}")' in card
    accuracy = json.loads(files["report.json"])["accuracy"]["value"]
    assert accuracy > 0.6, "chance is 0.33"


@pytest.mark.usefixtures("run")
def test_pulled_model_classifies_and_says_where_it_comes_from(hub, pictures):
    code = """
import json, sys
from emotion import EmotionClassifier
classifier = EmotionClassifier.from_pretrained("user/facial-emotion@v1")
paths = json.load(sys.stdin)
answers = {
    label: [face.probabilities for path in files for face in classifier.predict(path)]
    for label, files in paths.items()
}
print(json.dumps([classifier.revision, classifier.notice, "tensorflow" in sys.modules, answers]))
"""
    paths = {label: [str(path) for path in files] for label, files in pictures.items()}
    revision, notice, tensorflow, answers = json.loads(python(hub, code, json.dumps(paths), cwd=ROOT))

    assert revision == hub.repository(MODEL).tags["v1"].sha
    assert notice is None
    assert not tensorflow
    right = [max(shown, key=shown.get) == label for label, faces in answers.items() for shown in faces]
    assert len(right) > 20, "a drawing may be no face to the detector"
    assert np.mean(right) > 0.6, "chance is 0.33"


def test_a_stranger_opens_it_with_keras_alone(hub, run, tmp_path):
    rng = np.random.default_rng(3)
    faces = np.stack([draw_face(label, rng) for label in LABELS])[..., None]
    np.save(tmp_path / "faces.npy", faces)
    code = """
import json, sys, keras, numpy
model = keras.saving.load_model("hf://user/facial-emotion")
assert "emotion" not in sys.modules
print(json.dumps(model.predict(numpy.load("faces.npy").astype("float32"), verbose=0).tolist()))
"""
    by_keras = json.loads(python(hub, code, cwd=tmp_path))

    from emotion import EmotionClassifier

    by_litert = EmotionClassifier.from_pretrained(run).network(faces.astype(np.float32))
    np.testing.assert_allclose(by_keras, by_litert, atol=1e-5)


@pytest.mark.usefixtures("run")
def test_the_app_serves_the_published_model(hub, pictures, tmp_path):
    with app(hub, MODEL, tmp_path / "app.log") as url:
        client = Client(url, verbose=False)
        answers = {
            label: [client.predict(handle_file(path), api_name="/classify") for path in files]
            for label, files in pictures.items()
        }
    assert not FOREIGN.search((tmp_path / "app.log").read_text()), "the terminal shows our words only"
    everything = [answer for listed in answers.values() for answer in listed]
    assert {(answer["model"], answer["revision"]) for answer in everything} == {
        (MODEL, hub.repository(MODEL).branches["main"].sha)
    }
    right = []
    for label, listed in answers.items():
        for face in (face for answer in listed for face in answer["faces"]):
            assert face.keys() == {"box", "label", "confidence", "reason", "probabilities"}
            assert sum(face["probabilities"].values()) == pytest.approx(1, abs=0.001)
            right.append(max(face["probabilities"], key=face["probabilities"].get) == label)
    assert len(right) > 20, "a drawing may be no face to the detector"
    assert np.mean(right) > 0.6, "chance is 0.33"


def test_refused_publication_prints_the_command_that_works_later(hub, run, tmp_path):
    folder = tmp_path / "a model"
    folder.symlink_to(run)
    hub.refuse("POST /api/repos/create", 500)

    options = ["--push", "laboratory/faces", "--private", "--space", "laboratory/demo", "--wait"]
    refused = train_script(hub, "--publish", folder, *options)

    assert refused.returncode == 2
    assert "(HTTP 500). The Hub has a problem." in refused.stderr
    assert "Traceback" not in refused.stderr
    command = re.search(r"^    python train.py (--publish .*)$", refused.stderr, re.MULTILINE)[1]
    hub.heal()
    done = train_script(hub, *shlex.split(command))
    published, model, space, note, waited = done.stdout.splitlines()
    assert published == f"Published: {hub.url}/laboratory/faces"
    assert model == f"Model: {hub.url}/laboratory/faces"
    assert space == f"Space: {hub.url}/spaces/laboratory/demo"
    assert note.startswith("laboratory/faces is private: give the Space a token")
    assert waited == "The Space runs."
    assert hub.repository("laboratory/faces").private
    assert hub.repository("laboratory/demo", "space").private
    assert hub.repository("laboratory/demo", "space").variables["EMOTION_MODEL"] == "laboratory/faces"


def test_ctrl_c_during_an_upload_says_how_to_publish_later(hub, run):
    hub.stall("POST .*user/another/commit/")
    process = subprocess.Popen(
        [sys.executable, "train.py", "--publish", run, "--push", "user/another"],
        cwd=ROOT, env=hub.environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not hub.asked("POST .*user/another/commit/"):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=300)

    hub.heal()
    assert process.returncode == 130
    assert f"\n    python train.py --publish {run} --push user/another\n" in printed
    assert "Traceback" not in printed


@pytest.mark.usefixtures("run")
def test_without_the_hub_the_copy_on_this_computer_answers(hub):
    """Comes last: the Hub is gone afterwards."""
    code = (
        "from emotion import EmotionClassifier;"
        "c = EmotionClassifier.from_pretrained('user/facial-emotion'); print(c.revision, c.notice)"
    )
    python(hub, code, cwd=ROOT)
    hub.stop()

    revision, notice = python(hub, code, cwd=ROOT).split(maxsplit=1)

    assert revision == hub.repository(MODEL).branches["main"].sha
    assert notice.startswith(
        "The newest commit could not be fetched; this is the copy of user/facial-emotion"
    )


def train_script(hub: HubServer, *arguments: object) -> subprocess.CompletedProcess:
    """Run `train.py` as a person does."""
    command = [sys.executable, "train.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=hub.environment, capture_output=True, text=True, timeout=600)


def python(hub: HubServer, code: str, standard_input: str = "", *, cwd: Path) -> str:
    """Run Python code in a fresh process and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=hub.environment,
        input=standard_input,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class app:
    """A running `app.py` with a model; entering gives its address."""

    def __init__(self, hub: HubServer, model: str, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        settings = {"EMOTION_MODEL": model, "GRADIO_SERVER_PORT": str(port), "PYTHONUNBUFFERED": "1"}
        self.environment = {**hub.environment, **settings}
        self.log = log

    def __enter__(self) -> str:
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 300
        while "Running on local URL" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)
        return self.url

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
