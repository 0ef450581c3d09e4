"""Networks of others: asked as their authors meant it, and none of their code is run."""

from pathlib import Path

import numpy as np
import pytest

from emotion import EmotionClassifier, ModelLoadError
from emotion.model.engines import LiteRTNetwork
from emotion.model.foreign import is_foreign, load_foreign
from emotion.model.loading import EMBEDDED

pytestmark = pytest.mark.slow

TFLITE = str(EMBEDDED / "model.tflite")
OUTPUTS = EmotionClassifier.from_pretrained().outputs


def faces(count=3, size=48):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory) -> Path:
    """A network whose scores, before any softmax, are the mean of the pixels, 0 and minus the mean."""
    import keras

    inputs = keras.Input((32, 32, 1))
    mean = keras.layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(mean))
    model.set_weights([np.array([[1, 0, -1]], np.float32), np.zeros(3, np.float32)])
    model.compile(keras.optimizers.Adam(), "categorical_crossentropy")
    path = tmp_path_factory.mktemp("theirs") / "theirs.keras"
    model.save(path)
    return path


def test_a_tflite_file_answers_as_it_does_in_its_folder():
    theirs, ours = load_foreign(TFLITE, OUTPUTS), EmotionClassifier.from_pretrained()
    np.testing.assert_allclose(theirs.network(faces()), ours.network(faces()), atol=1e-6)
    assert (theirs.labels, theirs.input_size, theirs.channels) == (OUTPUTS, 48, 1)
    assert theirs.threshold == 0
    assert theirs.report is None


@pytest.mark.parametrize(("pixels", "white"), [((0, 1), 1.0), ((-1, 1), 1.0), ((0, 255), 255.0)])
def test_pixels_come_in_the_range_that_was_named(keras_file, pixels, white):
    theirs = load_foreign(str(keras_file), ("low", "middle", "high"), pixels)
    (answer,) = theirs.network(np.full((1, 32, 32, 1), 255, np.float32))
    expected = np.exp(np.array([white, 0, -white]) - white)
    np.testing.assert_allclose(answer, expected / expected.sum(), atol=1e-6)


def converted(path: Path, **settings) -> Path:
    """The mean of grey faces and what is missing to one, as a `.tflite` file."""
    import keras
    import tensorflow as tf

    model = keras.Sequential(
        [keras.Input((24, 24, 1), batch_size=settings.pop("batch_size", None)), keras.layers.Flatten()]
        + [keras.layers.Dense(2), keras.layers.Softmax()]
    )
    model.layers[1].set_weights([np.array([[0.01, -0.01]] * 576, np.float32), np.array([-2, 2], np.float32)])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    for name, value in settings.items():
        setattr(converter, name, value)
    path.write_bytes(converter.convert())
    return path


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected:UserWarning")
def test_a_file_of_whole_numbers_answers_as_one_of_others(tmp_path):
    import tensorflow as tf

    shades = np.linspace(0, 1, 11, dtype=np.float32)[:, None, None, None] * np.ones((24, 24, 1), np.float32)
    whole = converted(
        tmp_path / "whole.tflite",
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([shade[None]] for shade in shades),
        inference_input_type=tf.uint8,
        inference_output_type=tf.uint8,
    )
    plain = converted(tmp_path / "plain.tflite")
    answers = [
        load_foreign(str(path), ("dark", "light"), (0, 1)).network(255 * shades) for path in (whole, plain)
    ]
    assert answers[1][0, 1] > 0.9 > 0.1 > answers[1][-1, 1]
    np.testing.assert_allclose(*answers, atol=0.03)


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected:UserWarning")
def test_a_file_that_takes_one_face_at_a_time_is_asked_so(tmp_path):
    single = converted(tmp_path / "single.tflite", batch_size=1)
    with pytest.raises((RuntimeError, ValueError)):
        LiteRTNetwork(single)(np.zeros((2, 24, 24, 1), np.float32))
    answers = load_foreign(str(single), ("dark", "light"), (0, 1)).network(faces(5, 24))
    expected = load_foreign(str(converted(tmp_path / "any.tflite")), ("dark", "light"), (0, 1)).network(
        faces(5, 24)
    )
    np.testing.assert_allclose(answers, expected, atol=1e-6)


def test_the_size_of_faces_comes_from_the_file(keras_file):
    theirs = load_foreign(str(keras_file), ("a", "b", "c"))
    assert (theirs.input_size, theirs.channels) == (32, 1)
    (prediction,) = theirs.predict_faces([np.zeros((90, 90), np.uint8)])
    assert prediction.label in {"a", "b", "c"}


def test_a_file_is_told_from_a_folder_and_from_a_name_on_the_hub(tmp_path):
    assert is_foreign(TFLITE)
    (tmp_path / "folder.keras").mkdir()
    assert not any(map(is_foreign, [str(tmp_path / "folder.keras"), "ada/model.tflite", str(EMBEDDED), None]))


@pytest.mark.parametrize(("names", "given"), [((), "none"), (("a", "b"), "2 names"), (("a",) * 7, "7 names")])
def test_outputs_that_nobody_explains_are_refused(names, given):
    with pytest.raises(ModelLoadError, match=f"has 7 outputs. Name what each means.*--outputs; {given} were"):
        load_foreign(TFLITE, names)


@pytest.mark.parametrize("name", ["theirs.keras", "theirs.tflite"])
def test_a_file_that_is_no_network_is_refused(name, tmp_path):
    (tmp_path / name).write_bytes(b"these are words")
    with pytest.raises(ModelLoadError, match="cannot be"):
        load_foreign(str(tmp_path / name), ("a", "b"))


@pytest.mark.parametrize("shape", [(32, 48, 1), (32, 32, 2), (8, 8, 1)])
def test_networks_that_take_no_faces_are_refused(shape, tmp_path):
    import keras

    keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(2)]).save(
        tmp_path / "theirs.keras"
    )
    with pytest.raises(ModelLoadError, match="square faces of 16 to 512 pixels"):
        load_foreign(str(tmp_path / "theirs.keras"), ("a", "b"))


def test_code_of_its_author_is_not_run(tmp_path):
    import keras

    network = [keras.Input((32, 32, 1)), keras.layers.Lambda(lambda x: x + 1), keras.layers.Flatten()]
    keras.Sequential([*network, keras.layers.Dense(2)]).save(tmp_path / "theirs.keras")
    with pytest.raises(ModelLoadError, match=r"keras\.layers\.Lambda, which may run code.*\.tflite"):
        load_foreign(str(tmp_path / "theirs.keras"), ("a", "b"))
