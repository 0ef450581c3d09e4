"""Fitting only the last layer of a trained network to labelled faces: `--freeze`."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from tqdm.auto import tqdm

from emotion.config import TrainingConfig
from emotion.data.dataset import Dataset
from emotion.data.examples import Examples
from emotion.errors import DataError
from emotion.model.classifier import EmotionClassifier
from emotion.model.keras_engine import load_keras
from emotion.teaching.last_layer import STRENGTHS, Head, LastLayer, balanced, fit_layers, losses_of
from emotion.training.fit import FittedNetwork, correct_priors
from emotion.training.networks import average_mirrored, average_networks, softmax_layer
from emotion.training.stages import Stage, targets_to_learn

logger = logging.getLogger(__name__)

# Many faces need less of the old layer than a visitor's few.
ALL_STRENGTHS = (*STRENGTHS, 0.01, 0.003, 0.001)
BATCH_SIZE = 256  # faces in memory at a time


def fit_last_layer(config: TrainingConfig, dataset: Dataset) -> FittedNetwork:
    """Fit the last layer of every member of the network that `config.initial_weights` names.

    Outputs that the network had are held to what they were, new ones to the mean of the old. How strongly is
    chosen on the calibration faces. A network that does not end in a dense layer with softmax, or takes
    faces of another size, is a DataError.
    """
    started = time.monotonic()
    classifier = EmotionClassifier.from_pretrained(config.initial_weights)
    if classifier.folder is None:
        raise RuntimeError("A classifier that was loaded has a folder.")
    if (classifier.input_size, classifier.channels) != (config.image_size, config.channels):
        raise DataError(
            "The model given to --initial-weights takes other faces. Leave out --image-size and --channels: "
            "--freeze takes them from the model."
        )
    members = _members(load_keras(classifier.folder))
    if not all(isinstance(network.layers[-1], keras.layers.Dense) for network, _ in members):
        raise DataError(
            "The model given to --initial-weights does not end in a dense layer: it stays as it is."
        )
    passes = [number for number, (_, mirrored) in enumerate(members) for _ in range(1 + mirrored)]
    layers = [_started(network, classifier.outputs, dataset.outputs) for network, _ in members]
    head = Head(tuple(layers), tuple(passes))

    learned, chosen_on = (_features(members, part, config) for part in (dataset.train, dataset.calibration))
    stage = Stage("the last layer", replace(config, teacher_views="clean"), Path(), None)
    wanted = targets_to_learn(stage, dataset)
    if wanted is None:
        wanted = np.eye(len(dataset.outputs))[dataset.train.targets]
    weights = balanced(dataset.train.targets) if config.class_weights else np.ones(len(wanted))
    [fits] = fit_layers(learned, wanted.astype(np.float32), head, weights[None], strengths=ALL_STRENGTHS)
    targets = dataset.calibration.targets
    losses = [losses_of(fitted.answer(chosen_on), targets).mean() for fitted in fits]
    best = int(np.argmin(losses))
    logger.info("Fitted the last layer to %d faces (strength %g).", len(wanted), ALL_STRENGTHS[best])

    networks = []
    for (network, mirrored), layer in zip(members, fits[best].layers, strict=True):
        answer = softmax_layer(network.layers[-1].input, len(dataset.outputs))
        fitted = keras.Model(network.inputs[0], answer, name=network.name)
        fitted.layers[-1].set_weights([layer.kernel, layer.bias])
        correct_priors(fitted, dataset.outputs, config.prior_factors())
        networks.append(average_mirrored(fitted) if mirrored else fitted)
    whole = networks[0] if len(networks) == 1 else average_networks(networks)
    return FittedNetwork(whole, {}, 0, interrupted=False, seconds=time.monotonic() - started)


def _members(network: keras.Model, *, mirrored: bool = False) -> list[tuple[keras.Model, bool]]:
    """Return the networks whose answers are averaged, and whether each sees a face mirrored too."""
    inner = [layer for layer in network.layers if isinstance(layer, keras.Model)]
    if not inner:
        return [(network, mirrored)]
    mirrored = mirrored or any(type(layer).__name__ == "Flip" for layer in network.layers)
    return [member for each in inner for member in _members(each, mirrored=mirrored)]


def _started(network: keras.Model, known: Sequence[str], outputs: Sequence[str]) -> LastLayer:
    """Return the last layer of a network for other outputs."""
    kernel, bias = (np.asarray(weight, np.float32) for weight in network.layers[-1].get_weights())
    columns = [known.index(name) if name in known else None for name in outputs]
    return LastLayer(
        np.stack([kernel.mean(axis=1) if each is None else kernel[:, each] for each in columns], axis=1),
        np.array([bias.mean() if each is None else bias[each] for each in columns], np.float32),
    )


def _features(
    members: Sequence[tuple[keras.Model, bool]], examples: Examples, config: TrainingConfig
) -> np.ndarray:
    """Return the input of the members' last layers for faces: float32 (n, passes, features)."""
    extractors = [
        (keras.Model(network.inputs[0], network.layers[-1].input), mirrored) for network, mirrored in members
    ]
    parts = []
    for start in tqdm(range(0, len(examples), BATCH_SIZE), "Reading features", disable=None):
        batch = np.arange(start, min(start + BATCH_SIZE, len(examples)))
        faces = examples.load(batch, config.image_size, config.channels).astype(np.float32)
        passes: list[np.ndarray] = []
        for extractor, mirrored in extractors:
            views = (faces, faces[:, :, ::-1]) if mirrored else (faces,)
            passes += [keras.ops.convert_to_numpy(extractor(view, training=False)) for view in views]
        parts.append(np.stack(passes, axis=1))
    return np.concatenate(parts)
