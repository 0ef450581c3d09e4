"""Every network takes grey or colour faces of any size and gives probabilities, by Keras's own layers."""

import json

import keras
import numpy as np
import pytest

from emotion.config import TrainingConfig
from emotion.model.keras_engine import check_layers
from emotion.training.networks import (
    ARCHITECTURES,
    average_mirrored,
    average_networks,
    build_network,
    register,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def faces():
    return np.random.default_rng(0).uniform(0, 255, (3, 48, 48, 1)).astype(np.float32)


def answers(network: keras.Model, faces: np.ndarray) -> np.ndarray:
    """What a network says, without the time that `predict` takes to compile it for every shape."""
    return keras.ops.convert_to_numpy(network(faces, training=False))


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
@pytest.mark.parametrize(("size", "channels"), [(48, 1), (64, 3)])
def test_a_network_gives_probabilities(name, size, channels):
    network = build_network(TrainingConfig(architecture=name, image_size=size, channels=channels), 5)
    rng = np.random.default_rng(1)
    for side in (size, 30, 96):
        probabilities = answers(network, rng.uniform(0, 255, (2, side, side, channels)))
        assert probabilities.shape == (2, 5)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_calling_a_network_gives_what_predicting_gives(name):
    """Whoever opens a published model may just call it, and must not get the answers of its training mode."""
    network = average_mirrored(build_network(TrainingConfig(architecture=name), 3))
    for layer in network.get_layer(name).layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(np.linspace(-1, 1, layer.moving_mean.shape[0]))
    faces = np.random.default_rng(1).uniform(0, 255, (4, 48, 48, 1)).astype(np.float32)
    called = keras.ops.convert_to_numpy(network(faces))
    np.testing.assert_allclose(called, network.predict(faces, verbose=0), atol=1e-5)
    in_training = keras.ops.convert_to_numpy(network(faces, training=True))
    assert np.abs(called - in_training).max() > 1e-3


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_a_network_is_made_of_layers_that_are_safe_to_load(name):
    network = average_mirrored(build_network(TrainingConfig(architecture=name), 3))
    check_layers(json.loads(network.to_json()))


def test_lenet5_is_the_notebooks_network_by_default():
    network = build_network(TrainingConfig(architecture="lenet5"), 3)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds[:2] == ["InputLayer", "Rescaling"]
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [(layer.filters, layer.kernel_size) for layer in convolutions] == [(6, (3, 3)), (16, (3, 3))]
    assert all(layer.activation is keras.activations.relu for layer in convolutions)
    assert all(float(layer.kernel_regularizer.l2) > 0 for layer in convolutions)
    assert [layer.units for layer in network.layers if isinstance(layer, keras.layers.Dense)] == [100, 10, 3]
    assert kinds.count("BatchNormalization") == 4
    assert kinds.count("MaxPooling2D") == 2
    assert kinds.count("Dropout") == 4


def test_the_numbers_of_lenet5_can_be_set():
    config = TrainingConfig(
        architecture="lenet5", filters=(4, 8, 12), kernel_size=5, dense_units=(20,), dropout=0.4, l2=0.5
    )
    network = build_network(config, 2)
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [(layer.filters, layer.kernel_size) for layer in convolutions] == [(n, (5, 5)) for n in (4, 8, 12)]
    assert [layer.units for layer in network.layers if isinstance(layer, keras.layers.Dense)] == [20, 2]
    assert {layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)} == {0.4}
    assert {float(layer.kernel_regularizer.l2) for layer in convolutions} == {0.5}


def test_light_and_contrast_hardly_matter_to_the_resnet(faces):
    network = build_network(TrainingConfig(), 3)
    np.testing.assert_allclose(answers(network, faces), answers(network, faces * 0.4), atol=1e-3)


def test_mirror_average_gives_a_face_and_its_mirror_image_the_same_answer(faces):
    network = build_network(TrainingConfig(), 3)
    mirrored = faces[:, :, ::-1]
    assert not np.allclose(answers(network, faces), answers(network, mirrored))
    both = average_mirrored(network)
    np.testing.assert_allclose(answers(both, faces), answers(both, mirrored), atol=1e-6)


def test_networks_answer_together_with_the_mean_of_their_answers(faces):
    networks = [average_mirrored(build_network(TrainingConfig(width=8), 3)) for _ in range(2)]
    each = [answers(network, faces) for network in networks]
    together = average_networks(networks)
    np.testing.assert_allclose(answers(together, faces), np.mean(each, axis=0), atol=1e-6)
    check_layers(json.loads(together.to_json()))


def test_a_third_network_is_one_function():
    @register
    def one_pixel(config, outputs):
        face = keras.Input((None, None, config.channels))
        x = keras.layers.GlobalAveragePooling2D()(face)
        return keras.Model(face, keras.layers.Dense(outputs, activation="softmax")(x))

    try:
        assert build_network(TrainingConfig(architecture="one_pixel"), 4).output_shape == (None, 4)
    finally:
        del ARCHITECTURES["one_pixel"]


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"--arch must be one of lenet5, resnet, not 'vgg'"):
        build_network(TrainingConfig(architecture="vgg"), 3)
