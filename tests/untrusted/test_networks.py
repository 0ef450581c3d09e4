"""Strangers' networks: the same answers as in this process, and a message instead of a crash."""

import pickle
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fuzz.networks import packed, unpacked
from emotion import EmotionClassifier, ModelLoadError
from emotion.model.engines import LiteRTNetwork
from emotion.model.loading import EMBEDDED
from emotion.untrusted.networks import IsolatedNetwork, load_visitors_model
from emotion.web.host_model import load_or_default
from tests.app_process import EXAMPLES, ROOT

pytestmark = pytest.mark.slow

# As TensorFlow's schema numbers them.
AVERAGE_POOL, BATCH_MATMUL = 1, 126
FACES = np.random.default_rng(0).integers(0, 256, (5, 48, 48, 1)).astype(np.float32)


def network_without_an_answer() -> bytes:
    """The embedded network, told to answer with a tensor that it never sets."""
    model = unpacked((EMBEDDED / "model.tflite").read_bytes())
    model.subgraphs[0].outputs = [15]
    return packed(model)


def network_that_crashes() -> bytes:
    """The embedded network, one of whose operators is called another one and reads settings that it lacks."""
    model = unpacked((EMBEDDED / "model.tflite").read_bytes())
    [pooling] = [each for each in model.operatorCodes if each.builtinCode == AVERAGE_POOL]
    pooling.builtinCode = BATCH_MATMUL
    return packed(model)


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copytree(EMBEDDED, tmp_path / "model")
    return tmp_path / "model"


def test_the_same_answers_as_in_this_process():
    isolated = IsolatedNetwork(EMBEDDED / "model.tflite")
    here = LiteRTNetwork(EMBEDDED / "model.tflite")
    assert isolated.input_shape == here.input_shape
    assert isolated.outputs == here.outputs
    for count in (0, 1, 5):
        assert np.array_equal(isolated(FACES[:count]), here(FACES[:count]))
    isolated.close()
    assert np.array_equal(isolated(FACES), here(FACES)), "it starts again when it is asked again"
    isolated.close()


def test_a_classifier_of_a_stranger_s_model_answers_as_any_other(folder):
    stranger = load_visitors_model(folder, seconds=60)
    assert stranger.predict(EXAMPLES / "2-happy.jpg") == EmotionClassifier.from_pretrained().predict(
        EXAMPLES / "2-happy.jpg"
    )


def test_a_stranger_s_model_stays_in_this_program(folder):
    stranger = load_visitors_model(folder, seconds=60)
    stranger.close()
    with pytest.raises(ModelLoadError, match="another process"):
        pickle.dumps(stranger)


@pytest.mark.parametrize("content", [b"", b"no network", b"\x1c\0\0\0TFL3" + bytes(100)])
def test_what_is_no_network_is_refused(folder, content):
    (folder / "model.tflite").write_bytes(content)
    with pytest.raises(ModelLoadError):
        load_visitors_model(folder, seconds=60)


def test_a_model_without_a_litert_file_is_refused_in_plain_words(folder):
    (folder / "model.tflite").unlink()
    with pytest.raises(ModelLoadError, match=r"needs a model\.tflite"):
        load_visitors_model(folder, seconds=60)


def test_thousands_of_damaged_files_never_reach_this_process(folder):
    intact = (folder / "model.tflite").read_bytes()
    rng = np.random.default_rng(1)
    outcomes = set()
    for _ in range(6):
        damaged = bytearray(intact)
        for place in rng.integers(0, len(damaged), 2000):
            damaged[place] = rng.integers(0, 256)
        (folder / "model.tflite").write_bytes(bytes(damaged))
        try:
            network = IsolatedNetwork(folder / "model.tflite")
            outcomes.add(network(FACES).shape)
            network.close()
        except ModelLoadError as error:
            assert str(error).endswith(".")
            outcomes.add("refused")
    assert outcomes <= {(5, 7), "refused"}


def test_what_litert_says_on_several_lines_becomes_one(folder):
    model = unpacked((folder / "model.tflite").read_bytes())
    model.operatorCodes[0].version = 78
    description = folder / "emotion.json"
    description.write_text(description.read_text().replace('"files"', '"were"'))
    (folder / "model.tflite").write_bytes(packed(model))
    for load in (EmotionClassifier.from_pretrained, partial(load_visitors_model, seconds=60)):
        with pytest.raises(ModelLoadError, match=r"version.*Save or download the model again\.$") as error:
            load(folder)
        assert "\n" not in str(error.value)


def test_a_host_s_network_that_would_end_the_program_is_replaced_with_a_notice(folder):
    description = folder / "emotion.json"
    # As one that was saved by hand: without hashes that would tell.
    description.write_text(description.read_text().replace('"files"', '"were"'))
    (folder / "model.tflite").write_bytes(network_without_an_answer())
    with pytest.raises(ModelLoadError, match="cannot be run"):
        load_visitors_model(folder, seconds=60)
    classifier = load_or_default(str(folder))
    assert classifier.model_name == "embedded default"
    assert "cannot be run" in classifier.notice


def test_a_host_s_network_that_crashes_litert_is_replaced_with_a_notice(folder):
    description = folder / "emotion.json"
    description.write_text(description.read_text().replace('"files"', '"were"'))
    (folder / "model.tflite").write_bytes(network_that_crashes())
    here = f"from emotion import EmotionClassifier\nEmotionClassifier.from_pretrained({str(folder)!r})"
    ended = subprocess.run([sys.executable, "-c", here], cwd=ROOT, capture_output=True)
    assert ended.returncode < 0, "a signal ends a program that runs it"
    classifier = load_or_default(str(folder))
    assert classifier.model_name == "embedded default"
    assert "This model crashed" in classifier.notice
    assert classifier.predict(EXAMPLES / "2-happy.jpg")[0].label == "happy"


def test_a_host_s_network_that_runs_is_taken(folder):
    assert load_or_default(str(folder)).model_name == str(folder)
