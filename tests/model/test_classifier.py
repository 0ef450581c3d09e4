"""A saved model answers the same however it is opened, never runs foreign code, and says what is wrong."""

import io
import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from emotion import EmotionClassifier, InvalidImageError, ModelLoadError
from emotion.model.keras_engine import export_litert
from emotion.model.loading import EMBEDDED
from emotion.predictions.face import NEUTRAL_OR_MIXED
from emotion.vision.crop import Place
from tests.drawn_faces import draw_face

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def classifier(trained_model):
    return EmotionClassifier.from_pretrained(trained_model)


@pytest.fixture
def model_copy(trained_model, tmp_path):
    """A copy of the saved model that a test may damage; without hashes: an attacker would write them anew."""
    folder = Path(shutil.copytree(trained_model, tmp_path / "model"))
    _edit(folder, files={})
    return folder


@pytest.fixture(scope="module")
def faces():
    rng = np.random.default_rng(7)
    return [draw_face(emotion, rng) for emotion in ("angry", "happy", "sad") * 20]


def test_drawn_faces_get_their_label(classifier, faces):
    truth = ["angry", "happy", "sad"] * 20
    best = [max(face.probabilities, key=face.probabilities.get) for face in classifier.predict_faces(faces)]
    assert np.mean([one == other for one, other in zip(best, truth, strict=True)]) > 0.8


def test_a_prediction_is_complete(classifier, faces):
    prediction = classifier.predict_faces(faces[:1])[0]
    assert prediction.box is None
    assert tuple(prediction.probabilities) == classifier.labels == ("angry", "happy", "sad")
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    assert 0 <= prediction.confidence <= 1
    assert prediction.to_dict().keys() == {"box", "label", "confidence", "reason", "probabilities"}
    json.dumps(prediction.to_dict())


def test_below_the_threshold_there_is_no_label_but_a_reason(model_copy, faces):
    for threshold, sure in ((0.0, True), (1.0, False)):
        description = json.loads((model_copy / "emotion.json").read_text())
        (model_copy / "emotion.json").write_text(json.dumps(description | {"threshold": threshold}))
        for prediction in EmotionClassifier.from_pretrained(model_copy).predict_faces(faces[:6]):
            assert (prediction.label is not None) is sure
            assert prediction.reason == (None if sure else "neutral or mixed")


def test_keras_and_litert_give_the_same_probabilities(model_copy, faces):
    served = EmotionClassifier.from_pretrained(model_copy)
    crops = np.stack(faces).astype(np.float32)[..., None]
    by_litert = served.network(crops)
    np.testing.assert_allclose(
        keras.saving.load_model(model_copy).predict(crops, verbose=0), by_litert, atol=1e-5
    )

    (model_copy / "model.tflite").unlink()
    fallen_back = EmotionClassifier.from_pretrained(model_copy)
    for one, other in zip(served.predict_faces(faces), fallen_back.predict_faces(faces), strict=True):
        assert one.label == other.label
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)


@pytest.mark.parametrize(
    ("precision", "size", "tolerance"),
    [pytest.param("float16", 0.75, 5e-3, marks=pytest.mark.long), ("int8", 0.65, 5e-2)],
)
def test_lower_precision_shrinks_the_files_and_hardly_changes_the_answer(
    model_copy, faces, tmp_path, precision, size, tolerance
):
    crops = np.stack(faces).astype(np.float32)[..., None]
    full = EmotionClassifier.from_pretrained(model_copy)
    full_weights = (model_copy / "model.weights.h5").stat().st_size
    (model_copy / "model.tflite").rename(tmp_path / "full.tflite")
    EmotionClassifier.from_pretrained(model_copy).save_pretrained(model_copy, litert_precision=precision)
    assert (model_copy / "model.tflite").stat().st_size < size * (tmp_path / "full.tflite").stat().st_size
    assert (model_copy / "model.weights.h5").stat().st_size < full_weights
    lower = EmotionClassifier.from_pretrained(model_copy)
    np.testing.assert_allclose(lower.network(crops), full.network(crops), atol=tolerance)
    by_keras = keras.saving.load_model(model_copy).predict(crops, verbose=0)
    np.testing.assert_allclose(by_keras, full.network(crops), atol=5e-3)


def test_any_number_of_faces_at_once(classifier, faces):
    together = classifier.predict_faces(faces + faces)
    alone = [classifier.predict_faces([face])[0] for face in faces[:5]]
    assert len(together) == 120
    assert classifier.predict_faces([]) == []
    for one, other in zip(alone, together, strict=False):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_threads_share_a_classifier(classifier, faces):
    expected = classifier.predict_faces(faces)
    with ThreadPoolExecutor(4) as threads:
        for answer in threads.map(classifier.predict_faces, [faces[: 1 + index % 7] for index in range(40)]):
            for one, other in zip(answer, expected, strict=False):
                assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_crops_may_be_grey_or_colour_and_of_any_size(classifier, faces):
    grey = Image.fromarray(faces[1]).resize((96, 96))
    for crop in (np.asarray(grey), np.asarray(grey.convert("RGB"))):
        assert classifier.predict_faces([crop])[0].label in ("happy", None)
    with pytest.raises(InvalidImageError):
        classifier.predict_faces([np.zeros((0, 5), np.uint8)])


def test_a_picture_may_be_a_path_bytes_an_image_or_an_array(classifier, tmp_path):
    picture = Image.open(next((ROOT / "examples").glob("*happy*")))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    picture.save(tmp_path / "photo.png")
    forms = (
        tmp_path / "photo.png",
        str(tmp_path / "photo.png"),
        buffer.getvalue(),
        picture,
        np.asarray(picture),
    )
    answers = [classifier.predict(form) for form in forms]
    assert len(answers[0]) == 1
    _, _, width, height = answers[0][0].box
    assert 0 < width <= picture.width
    assert 0 < height <= picture.height
    assert all(answer == answers[0] for answer in answers[1:])


def test_a_picture_without_a_face_has_no_predictions(classifier):
    assert classifier.predict(np.full((200, 320, 3), 127, np.uint8)) == []


def test_an_answer_about_what_hardly_looks_like_a_face_is_no_answer():
    classifier = EmotionClassifier.from_pretrained()
    picture, [face] = classifier.locate(next(EXAMPLES.glob("*-happy.jpg")))
    scores = (1.0, 0.72, 0.61, 0.5, 0.1)
    told = [
        classifier.predict_located(picture, [Place(face.box, face.eyes, score=score)])[0] for score in scores
    ]
    assert [each.label for each in told] == ["happy", "happy", "happy", None, None]
    assert told[0].confidence == told[1].confidence > 0.9
    assert told[2].confidence == pytest.approx(told[0].confidence / 2)
    assert [(each.confidence, each.reason) for each in told[3:]] == [(0, NEUTRAL_OR_MIXED)] * 2
    assert all(each.probabilities == told[0].probabilities for each in told)
    cropped = Place(face.box, face.eyes, tight=True, score=0.3)
    assert classifier.predict_located(picture, [cropped])[0].label == "happy"


def test_a_coffee_cup_has_no_emotion_however_it_lies():
    classifier = EmotionClassifier.from_pretrained()
    with Image.open(next(EXAMPLES.glob("*-no-face.jpg"))) as cup:
        for angle in (-10, 6, 10, 14):
            turned = cup.convert("RGB").rotate(angle, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))
            assert {face.label for face in classifier.predict(turned)} <= {None}


def test_what_is_not_a_picture_is_refused_in_plain_words(classifier, tmp_path):
    (tmp_path / "notes.jpg").write_text("not a picture")
    for wrong in (b"", b"not a picture", tmp_path / "notes.jpg", tmp_path / "missing.jpg", 7, None):
        with pytest.raises(InvalidImageError):
            classifier.predict(wrong)


def test_serving_imports_neither_tensorflow_nor_keras(trained_model):
    program = (
        "import sys, numpy; from emotion import EmotionClassifier;"
        f"c = EmotionClassifier.from_pretrained({str(trained_model)!r});"
        "c.predict(numpy.zeros((100, 100, 3), numpy.uint8));"
        "c.predict_faces(numpy.zeros((2, 48, 48), numpy.uint8));"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_the_embedded_default_needs_no_network_and_fits(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    default = EmotionClassifier.from_pretrained()
    assert default.labels == ("angry", "happy", "sad")
    assert default.model_name == "embedded default"
    assert default.report.accuracy.faces > 500
    assert sum(file.stat().st_size for file in EMBEDDED.rglob("*") if file.is_file()) <= 8 * 2**20


def test_saving_a_loaded_model_gives_the_same_model(classifier, faces, tmp_path):
    classifier.save_pretrained(tmp_path / "copy")
    copy = EmotionClassifier.from_pretrained(tmp_path / "copy")
    assert copy.predict_faces(faces) == classifier.predict_faces(faces)
    assert copy.report == classifier.report
    assert copy.description == classifier.description


def test_keras_opens_the_folder_without_this_package(trained_model):
    program = f"import keras; print(keras.saving.load_model({str(trained_model)!r}).output_shape)"
    printed = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, cwd="/")
    assert "(None, 4)" in printed.stdout, printed.stderr


def test_a_model_with_foreign_layers_is_refused(model_copy, tmp_path):
    marker = tmp_path / "executed"
    (model_copy / "model.tflite").unlink()
    original = (model_copy / "config.json").read_text()
    attacks = [
        {
            "module": "keras.layers",
            "class_name": "Lambda",
            "config": {"function": f"open({str(marker)!r}, 'w')"},
        },
        {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}},
        {"module": "os", "class_name": "system", "config": f"touch {marker}", "registered_name": None},
        {"module": "builtins", "class_name": "eval", "config": {}, "registered_name": "Dense"},
        {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "http://127.0.0.1/"}},
    ]
    for attack in attacks:
        config = json.loads(original)
        config["config"]["layers"].append(attack)
        (model_copy / "config.json").write_text(json.dumps(config))
        with pytest.raises(ModelLoadError, match=re.escape(attack["module"])):
            EmotionClassifier.from_pretrained(model_copy)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "emotion.json").unlink(), "emotion.json is missing"),
        (lambda folder: (folder / "emotion.json").write_text("{"), "cannot be used"),
        (lambda folder: (folder / "emotion.json").write_text("[]"), "cannot be used"),
        (lambda folder: (folder / "emotion.json").write_text('{"format": 99}'), "newer"),
        (lambda folder: (folder / "model.tflite").write_bytes(b"no network"), "cannot be run"),
        (
            lambda folder: [(folder / name).unlink() for name in ("model.tflite", "config.json")],
            "config.json",
        ),
        (
            lambda folder: _edit(
                folder, outputs=[{"name": n, "label": n} for n in ("angry", "happy", "sad")]
            ),
            "outputs",
        ),
        (lambda folder: _edit(folder, threshold=7), "out of range"),
        (lambda folder: _edit(folder, calibration={"temperature": float("inf")}), "out of range"),
        (lambda folder: _edit(folder, input={"size": 100_000, "channels": 1}), "16 to 512 pixels"),
        (lambda folder: _edit(folder, input={"size": 48, "channels": 2}), "1 or 3 channels"),
        (lambda folder: _edit(folder, input={"size": 64, "channels": 1}), "takes faces of another size"),
        (
            lambda folder: [
                (folder / "model.tflite").unlink(),
                _edit(folder, input={"size": 48, "channels": 3}),
            ],
            "number of channels",
        ),
    ],
)
def test_a_damaged_folder_says_what_is_wrong(model_copy, damage, message):
    damage(model_copy)
    with pytest.raises(ModelLoadError, match=message):
        EmotionClassifier.from_pretrained(model_copy)


def test_a_keras_model_with_two_inputs_is_refused(model_copy):
    (model_copy / "model.tflite").unlink()
    faces = [keras.Input((48, 48, 1)), keras.Input((48, 48, 1))]
    answers = keras.layers.Dense(7)(keras.layers.Flatten()(keras.layers.Add()(faces)))
    keras.saving.save_model(keras.Model(faces, answers), model_copy, zipped=False)
    with pytest.raises(ModelLoadError, match="does not take faces and give probabilities"):
        EmotionClassifier.from_pretrained(model_copy)


def test_a_litert_file_for_huge_faces_is_refused(model_copy):
    faces = keras.Input((None, None, 1))
    answers = keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(faces))
    export_litert(keras.Model(faces, answers), model_copy / "model.tflite", size=520)
    with pytest.raises(ModelLoadError, match="faces of more than 512 pixels"):
        EmotionClassifier.from_pretrained(model_copy)


def test_a_missing_folder_says_what_may_be_named(tmp_path):
    with pytest.raises(ModelLoadError, match=r"no folder .*Name the folder of a saved model.*owner/name"):
        EmotionClassifier.from_pretrained(tmp_path / "nothing")


def _edit(folder: Path, **changes) -> None:
    description = json.loads((folder / "emotion.json").read_text())
    (folder / "emotion.json").write_text(json.dumps(description | changes))
