"""The networks, by name: each is one function from a configuration to a Keras model. No files, no training.

Every network takes faces as float32 (batch, height, width, channels) in 0..255, of any size, and gives
softmax probabilities (batch, outputs). Only Keras's own layers are used, so that
`keras.saving.load_model` opens a published model in safe mode without this package.
"""

from collections.abc import Callable, Sequence

import keras
from keras import layers

from emotion.config import TrainingConfig

Architecture = Callable[[TrainingConfig, int], keras.Model]
ARCHITECTURES: dict[str, Architecture] = {}


def register(build: Architecture) -> Architecture:
    """Offer a network under its function's name: `--arch NAME` builds it."""
    ARCHITECTURES[build.__name__] = build
    return build


def build_network(config: TrainingConfig, outputs: int) -> keras.Model:
    """Build an untrained network as `config.architecture` names it, with a softmax over `outputs`."""
    return find_architecture(config.architecture)(config, outputs)


def find_architecture(name: str) -> Architecture:
    """Return the function that builds a network; an unknown name is a ValueError."""
    if name not in ARCHITECTURES:
        raise ValueError(f"--arch must be one of {', '.join(ARCHITECTURES)}, not {name!r}.")
    return ARCHITECTURES[name]


def average_mirrored(network: keras.Model) -> keras.Model:
    """Wrap a network so that it averages the probabilities of each face and of its mirror image."""
    face = keras.Input(network.input_shape[1:], name="face")
    answers = [network(face), network(keras.ops.flip(face, axis=2))]
    return keras.Model(
        face, layers.Average(name="probabilities", dtype="float32")(answers), name=network.name
    )


def average_networks(networks: Sequence[keras.Model]) -> keras.Model:
    """Join networks of the same input and outputs into one that averages their probabilities.

    After Hansen and Salamon, "Neural network ensembles", 1990. The networks are renamed, not copied.
    """
    name = networks[0].name
    for number, network in enumerate(networks, start=1):
        network.name = f"{name}_{number}"  # Keras wants the names within a model to differ
    face = keras.Input(networks[0].input_shape[1:], name="face")
    answers = [network(face) for network in networks]
    return keras.Model(face, layers.Average(name="probabilities", dtype="float32")(answers), name=name)


@register
def lenet5(config: TrainingConfig, outputs: int) -> keras.Model:
    """Build a modified LeNet-5: convolutions, batch normalisation, pooling, dropout, then dense layers.

    After LeCun et al., "Gradient-based learning applied to document recognition", 1998; batch
    normalisation, ReLU, dropout and L2 are the modifications.
    """
    l2 = keras.regularizers.L2(config.l2)
    face, x = _resized_face(config)
    x = layers.Rescaling(1 / 255, dtype="float32")(x)
    for filters in config.filters:
        x = layers.Conv2D(filters, config.kernel_size, activation="relu", kernel_regularizer=l2)(x)
        x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Dropout(config.dropout)(x)
    x = layers.Flatten()(x)
    for units in config.dense_units:
        x = layers.Dense(units, activation="relu", kernel_regularizer=l2)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Dropout(config.dropout)(x)
    return keras.Model(face, softmax_layer(x, outputs), name="lenet5")


@register
def resnet(config: TrainingConfig, outputs: int) -> keras.Model:
    """Build a compact residual network with squeeze-and-excitation for small grey faces.

    After He et al., "Deep residual learning", 2016, and Hu et al., "Squeeze-and-excitation networks",
    2018. Each face is standardised (mean 0, variance 1) first, so that light and contrast matter little.
    """
    face, x = _resized_face(config)
    x = layers.LayerNormalization(axis=[1, 2, 3], center=False, scale=False, epsilon=1.0, dtype="float32")(x)
    x = _convolution(x, config.width, kernel_size=5, strides=2)
    for stage, blocks in enumerate(config.blocks):
        for block in range(blocks):
            x = _residual_block(x, config.width * 2**stage, strides=2 if stage and not block else 1)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(config.dropout)(x)
    return keras.Model(face, softmax_layer(x, outputs), name="resnet")


def _resized_face(config: TrainingConfig) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return the input, a face of any size, and that face at the network's own size."""
    face = keras.Input((None, None, config.channels), name="face")
    # Not the Resizing layer: with it in front, Keras 3.15 runs `model(faces)` in training mode.
    return face, keras.ops.image.resize(face, (config.image_size, config.image_size))


def softmax_layer(x: keras.KerasTensor, outputs: int) -> keras.KerasTensor:
    """Return the softmax output, in float32 also when the rest computes in half precision."""
    return layers.Dense(outputs, activation="softmax", dtype="float32", name="probabilities")(x)


def _convolution(
    x: keras.KerasTensor, filters: int, *, kernel_size: int = 3, strides: int = 1, relu: bool = True
) -> keras.KerasTensor:
    """Convolve and normalise, then apply ReLU where `relu` says so."""
    x = layers.Conv2D(filters, kernel_size, strides=strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x) if relu else x


def _residual_block(x: keras.KerasTensor, filters: int, *, strides: int) -> keras.KerasTensor:
    """Add to `x` what two convolutions, weighted per channel, make of it."""
    y = _convolution(x, filters, strides=strides)
    y = _convolution(y, filters, relu=False)
    weights = layers.GlobalAveragePooling2D(keepdims=True)(y)
    weights = layers.Dense(max(filters // 8, 4), activation="relu")(weights)
    y = layers.Multiply()([y, layers.Dense(filters, activation="sigmoid")(weights)])
    if strides > 1:
        x = layers.AveragePooling2D(strides, padding="same")(x)
    if x.shape[-1] != filters:
        x = _convolution(x, filters, kernel_size=1, relu=False)
    return layers.ReLU()(layers.Add()([x, y]))
