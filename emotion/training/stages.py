"""The stages of a run, each of which fits one network: a teacher, the network, further members.

What teachers answer becomes the targets of another network, after Hinton et al., "Distilling the knowledge
in a neural network", 2015, and Furlanello et al., "Born-again neural networks", 2018. Teachers answer once
for every clean face, and the student sees it augmented; or they answer for each augmented face, as in Beyer
et al., "Knowledge distillation: a good teacher is patient and consistent", 2022. With `--freeze`, only the
last layer of a trained network is fitted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import keras
import numpy as np

from emotion.config import OWN_TEACHER, TrainingConfig
from emotion.data.dataset import Dataset
from emotion.data.examples import Examples
from emotion.data.soft_targets import load_soft_targets
from emotion.errors import DataError
from emotion.model.classifier import EmotionClassifier
from emotion.model.description import DESCRIPTION_FILE
from emotion.model.keras_engine import load_keras
from emotion.predictions.calibration import renormalise
from emotion.report.report import History, Report
from emotion.teaching.last_layer import STRENGTHS, Head, LastLayer, balanced, fit_layers, losses_of
from emotion.training.devices import Devices
from emotion.training.evaluation import predict_examples
from emotion.training.fit import FittedNetwork, correct_priors, fit
from emotion.training.folder import forget_checkpoint, has_checkpoint
from emotion.training.networks import average_mirrored, average_networks, softmax_layer
from emotion.training.saving import save_model

logger = logging.getLogger(__name__)
TEACHER_FOLDER = "teacher"
MEMBER_FOLDER = "network{}"
ENOUGH_TO_TELL = 50  # pictures of a label, to tell what a model takes them for
# Many faces need less of the old layer than a visitor's few.
ALL_STRENGTHS = (*STRENGTHS, 0.01, 0.003, 0.001)


@dataclass(frozen=True)
class Stage:
    """One network to fit: what the log calls it, its own settings, and the folder of its log and checkpoint.

    `saved` is where it becomes a model of its own; None where it is the whole result of the run. A stage
    that is no member, a teacher, is only learned from.
    """

    title: str
    config: TrainingConfig
    folder: Path
    saved: Path | None
    is_member: bool = True


def plan_stages(config: TrainingConfig, output: Path) -> list[Stage]:
    """Return the stages of a run in their order: a teacher if asked for, then the members of the ensemble.

    Every member after the first has new weights, another seed and the first as its teacher.
    """
    stages: list[Stage] = []
    size = config.ensemble_size
    if config.teacher_epochs:
        teacher = replace(
            config,
            epochs=config.teacher_epochs,
            teacher_epochs=0,
            initial_weights=None if config.initial_weights == OWN_TEACHER else config.initial_weights,
            prior_correction=(),
            ensemble_size=1,
            seed=config.seed + 1,
        )
        folder = output / TEACHER_FOLDER
        stages.append(Stage("the teacher", teacher, folder, folder, is_member=False))
    first = output / MEMBER_FOLDER.format(1) if size > 1 else None
    stages.append(Stage(f"network 1 of {size}", config, output, first))
    for number in range(2, size + 1):
        further = replace(
            config,
            teacher=(str(first),),
            teacher_epochs=0,
            initial_weights=None,
            ensemble_size=1,
            seed=config.seed + number,
        )
        folder = output / MEMBER_FOLDER.format(number)
        stages.append(Stage(f"network {number} of {size}", further, folder, folder))
    return stages


def run_stage(
    stage: Stage,
    dataset: Dataset,
    *,
    resume: bool,
    devices: Devices | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> FittedNetwork:
    """Fit the network of a stage, and save it if it becomes a separate model.

    `resume` continues after its last complete epoch, and takes what is saved as it is. An interrupted
    teacher raises KeyboardInterrupt: half of one is not worth learning from.
    """
    if resume and stage.saved and (stage.saved / DESCRIPTION_FILE).exists():
        return _fitted(EmotionClassifier.from_pretrained(stage.saved))
    logger.info("Training %s, %d epochs.", stage.title, stage.config.epochs)
    resume = resume and has_checkpoint(stage.folder)
    fitted = fit(
        stage.config,
        dataset,
        stage.folder,
        resume=resume,
        soft_targets=targets_to_learn(stage, dataset),
        teach=_teach(stage, dataset),
        initial=None if resume else _initial_weights(stage),
        devices=devices,
        callbacks=callbacks,
    )
    if fitted.interrupted and not stage.is_member:
        raise KeyboardInterrupt
    if stage.saved and not fitted.interrupted:
        saved = replace(stage.config, ensemble_size=1, members=())
        save_model([fitted], saved, dataset, stage.saved, seconds=fitted.seconds)
    return fitted


def forget_stages(stages: list[Stage]) -> None:
    """Keep a later `resume` from continuing what another run left in the folders of this one."""
    for stage in stages:
        forget_checkpoint(stage.folder)
        if stage.saved:
            (stage.saved / DESCRIPTION_FILE).unlink(missing_ok=True)


def targets_to_learn(stage: Stage, dataset: Dataset) -> np.ndarray | None:
    """Return what a network should answer for each training face: float (len(dataset.train), outputs).

    Rows sum to 1. None where that is just the label.
    """
    config = stage.config
    teachers = _teachers(stage) if config.teacher_views == "clean" else []
    if not teachers and not config.soft_labels:
        return None
    if config.soft_labels:
        targets = load_soft_targets(
            config.soft_labels, dataset, weight=config.soft_label_weight, background=config.background_votes
        )
    else:
        targets = np.eye(len(dataset.outputs))[dataset.train.targets]
    if teachers:
        answers = teacher_answers(teachers, dataset)
        targets = blend_targets(targets, answers, config.teacher_weight)
    return targets


def _teach(stage: Stage, dataset: Dataset) -> Callable[[np.ndarray, np.ndarray], np.ndarray] | None:
    """Return what changes the targets of augmented faces, if anything does."""
    config, outputs = stage.config, dataset.outputs
    steps: list[Callable[[np.ndarray, np.ndarray], np.ndarray]] = []
    new = [name for index, name in enumerate(outputs) if not (dataset.train.targets == index).any()]
    if config.background_teacher and new:
        steps.append(BackgroundTargets(config.background_teacher, outputs, new, config))
    if config.teacher_views == "augmented" and (teachers := _teachers(stage)):
        steps.append(TeacherTargets(teachers, outputs, config))

    def teach(faces: np.ndarray, targets: np.ndarray) -> np.ndarray:
        for step in steps:
            targets = step(faces, targets)
        return targets

    return teach if steps else None


def _teachers(stage: Stage) -> list[str]:
    """Return the models that a stage learns from."""
    own = [str(stage.folder / TEACHER_FOLDER)] if stage.config.teacher_epochs else []
    return [*stage.config.teacher, *own]


def _initial_weights(stage: Stage) -> tuple[keras.Model, tuple[str, ...]] | None:
    """Return the trained network that a stage starts from, if any, and what its outputs mean."""
    reference = stage.config.initial_weights
    if reference is None:
        return None
    classifier = EmotionClassifier.from_pretrained(
        stage.folder / TEACHER_FOLDER if reference == OWN_TEACHER else reference
    )
    logger.info("Starting from the weights of %s (--initial-weights '': from nothing).", reference)
    return _network(classifier), classifier.outputs


def load_members(references: Sequence[str], outputs: tuple[str, ...]) -> list[FittedNetwork]:
    """Load trained models whose answers will be averaged with those of a new network.

    Other outputs, or the same in another order, are a DataError.
    """
    members = []
    for reference in references:
        classifier = EmotionClassifier.from_pretrained(reference)
        if classifier.outputs != outputs:
            raise DataError(
                f"The member {reference} answers for {', '.join(classifier.outputs)}, this run for "
                f"{', '.join(outputs)}. Give --labels and --background in that order, or another --members."
            )
        members.append(_fitted(classifier))
    return members


def _network(classifier: EmotionClassifier) -> keras.Model:
    """Return the network of a loaded model as Keras has it, to be trained on."""
    return load_keras(cast("Path", classifier.folder))


def _fitted(classifier: EmotionClassifier) -> FittedNetwork:
    """Return the network of a loaded model with what its report says of its fit."""
    report = classifier.report or Report()
    history = {name: list(curve) for name, curve in asdict(report.history or History()).items() if curve}
    return FittedNetwork(
        _network(classifier),
        history,
        report.model.get("best_epoch", 0),
        interrupted=False,
        seconds=3600 * report.model.get("hours", 0.0),
    )


def blend_targets(targets: np.ndarray, answers: np.ndarray, weight: float) -> np.ndarray:
    """Mix labels with teachers' answers, both (n, outputs); `weight` is the share of the answers."""
    return ((1 - weight) * targets + weight * answers).astype(np.float32)


def teacher_answers(teachers: Sequence[str], dataset: Dataset) -> np.ndarray:
    """Return the mean of the teachers' probabilities for every clean training face: float32 (n, outputs).

    Teachers may have more outputs than `dataset`, in another order, and another input size. A missing output
    is a DataError.
    """
    classifiers = _load_teachers(teachers, dataset.outputs)
    answers = [_answers(classifier, dataset) for classifier in classifiers]
    return np.stack(answers).mean(axis=0, dtype=np.float32)


class TeacherTargets:
    """Blends teachers' answers for each batch of augmented faces into its targets.

    Teachers are as in `teacher_answers`, but need the student's input size and channels; otherwise a
    DataError.
    """

    def __init__(self, teachers: Sequence[str], outputs: Sequence[str], config: TrainingConfig) -> None:
        self.teachers = _load_teachers(teachers, outputs)
        self.outputs, self.weight = outputs, config.teacher_weight
        for name, teacher in zip(teachers, self.teachers, strict=True):
            _check_faces(name, teacher, config)

    def __call__(self, faces: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the blended targets: float32 (n, outputs), of float32 faces and targets."""
        answers = [_as_trained(teacher, teacher.network(faces), self.outputs) for teacher in self.teachers]
        return blend_targets(targets, np.mean(answers, axis=0), self.weight)


def with_background(dataset: Dataset, config: TrainingConfig) -> Dataset:
    """Add the background classes that `config.background_teacher` knows to the outputs of a data set.

    One that most pictures of a label are taken for, such as surprise for a label "shocked", is left out: it
    is that label under another name.
    """
    if config.background_teacher is None:
        return dataset
    teacher = EmotionClassifier.from_pretrained(config.background_teacher)
    taken = {name.lower() for name in dataset.outputs}
    for target, label in enumerate(dataset.outputs):
        own = np.flatnonzero(dataset.train.targets == target)[:ENOUGH_TO_TELL]
        if label not in teacher.outputs and len(own):
            faces = dataset.train.load(own, teacher.input_size, teacher.channels).astype(np.float32)
            taken.add(teacher.outputs[int(teacher.network(faces).mean(axis=0).argmax())].lower())
    new = tuple(name for name in teacher.outputs[len(teacher.labels) :] if name.lower() not in taken)
    if new:
        logger.info("Learning along what %s says of %s.", config.background_teacher, ", ".join(new))
    return replace(dataset, outputs=(*dataset.outputs, *new))


class BackgroundTargets:
    """Gives each augmented face the share of background that a trained model sees in it.

    After Li and Hoiem, "Learning without forgetting", 2016: `new` outputs, which have no pictures, keep what
    the model says of them, and the labels share the rest.
    """

    def __init__(
        self, teacher: str, outputs: Sequence[str], new: Sequence[str], config: TrainingConfig
    ) -> None:
        self.teacher = EmotionClassifier.from_pretrained(teacher)
        _check_faces(teacher, self.teacher, config)
        known = [name for name in new if name in self.teacher.outputs]
        self.to = [outputs.index(name) for name in known]
        self.known = [self.teacher.outputs.index(name) for name in known]

    def __call__(self, faces: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the targets, float32 (n, outputs), of float32 faces and of targets among the labels."""
        background = self.teacher.network(faces)[:, self.known]
        blended = targets * (1 - background.sum(axis=1, keepdims=True))
        blended[:, self.to] += background
        return blended.astype(np.float32)


def _check_faces(name: str, teacher: EmotionClassifier, config: TrainingConfig) -> None:
    if (teacher.input_size, teacher.channels) != (config.image_size, config.channels):
        raise DataError(
            f"The teacher {name} takes faces of {teacher.input_size} pixels and {teacher.channels} "
            "channels. Give --teacher-views clean, or the same --image-size and --channels."
        )


def _load_teachers(teachers: Sequence[str], outputs: Sequence[str]) -> list[EmotionClassifier]:
    classifiers = [EmotionClassifier.from_pretrained(teacher) for teacher in teachers]
    for name, classifier in zip(teachers, classifiers, strict=True):
        if unknown := [output for output in outputs if output not in classifier.outputs]:
            raise DataError(
                f"The teacher {name} cannot answer for {', '.join(unknown)}: it knows "
                f"{', '.join(classifier.outputs)}. Name another --teacher, or the same --labels and "
                "--background."
            )
    return classifiers


def _answers(teacher: EmotionClassifier, dataset: Dataset) -> np.ndarray:
    """Return one teacher's probabilities for the training faces, in the order of `dataset.outputs`."""
    size, channels = teacher.input_size, teacher.channels
    probabilities = predict_examples(
        teacher.network, dataset.train, size=size, channels=channels, title="Teacher's answers"
    )
    return _as_trained(teacher, probabilities, dataset.outputs)


def _as_trained(teacher: EmotionClassifier, probabilities: np.ndarray, outputs: Sequence[str]) -> np.ndarray:
    """Return a teacher's answers in the order of `outputs`, without its own prior correction.

    The student gets a correction of its own.
    """
    factors = TrainingConfig.from_dict(teacher.description.training).prior_factors()
    probabilities = probabilities / [factors.get(output, 1.0) for output in teacher.outputs]
    columns = [teacher.outputs.index(output) for output in outputs]
    return renormalise(probabilities[:, columns], len(columns))


def fit_last_layer(config: TrainingConfig, dataset: Dataset) -> FittedNetwork:
    """Fit the last layer of every member of the network that `config.initial_weights` names.

    Outputs that the network had are held to what they were, new ones to the mean of the old. How strongly is
    chosen on the calibration faces. A network that does not end in a dense layer with softmax, or takes
    faces of another size, is a DataError.
    """
    started = time.monotonic()
    classifier = EmotionClassifier.from_pretrained(config.initial_weights)
    if (classifier.input_size, classifier.channels) != (config.image_size, config.channels):
        raise DataError(
            "The model given to --initial-weights takes other faces. Leave out --image-size and --channels: "
            "--freeze takes them from the model."
        )
    members = _members(_network(classifier))
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

    def features(faces: np.ndarray) -> np.ndarray:
        passes: list[np.ndarray] = []
        for extractor, mirrored in extractors:
            views = (faces, faces[:, :, ::-1]) if mirrored else (faces,)
            passes += [keras.ops.convert_to_numpy(extractor(view, training=False)) for view in views]
        return np.stack(passes, axis=1)

    size, channels = config.image_size, config.channels
    return predict_examples(features, examples, size=size, channels=channels, title="Reading features")
