"""Every hyperparameter of a training run, with its default and the reason for it, in one place."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import PurePath, PureWindowsPath
from typing import Any

from emotion.options import Search, check_value, option, typed_name
from emotion.vision.crop import CHANNELS, LARGEST_CROP, SMALLEST_CROP

DEFAULT_DATA = "kaggle:muhammadhananasghar/human-emotions-datasethes"

EVERYTHING_ELSE = ("*",)  # as a background: all classes that are not labels
OWN_TEACHER = "teacher"  # as initial weights: the teacher that the run itself trains
EMBEDDED = "embedded"  # as any model: the one that comes with the program
# Settings that say what the network is: trained weights fit no other one.
NETWORK_SETTINGS = (
    "architecture", "image_size", "channels", "width", "blocks", "filters", "kernel_size", "dense_units",
)  # fmt: skip
# Settings that say what may be done with a model and where its pictures came from, not how it is made.
ABOUT = ("license", "license_note", "data_note")
# What replaces the defaults in a run of `train.py` that starts from trained weights.
FINE_TUNING: dict[str, Any] = {"epochs": 8, "batch_size": 32, "learning_rate": 5e-4, "warmup_epochs": 1.0}


@dataclass(frozen=True)
class TrainingConfig:
    """All settings of one training run.

    Every field is an option of `train.py` (`image_size` is `--image-size`) and is recorded in the saved
    model's `emotion.json`, which thus records how it was made.

    Raises
    ------
    ValueError
        If a value is out of its range; the message names the option and the range.
    """

    # Data
    data: tuple[str, ...] = option(
        (DEFAULT_DATA,),
        "labelled pictures: a folder, a FER2013 CSV, kaggle:owner/name or hf:owner/name; or several of them",
    )
    labels: tuple[str, ...] = option(("angry", "happy", "sad"), "folders to tell apart, in this order")
    background: tuple[str, ...] = option(
        (),
        "folders that belong to no label; the network learns them so that it can answer 'not sure'; "
        "'*' takes all that are not labels",
    )
    validation_fraction: float = option(
        0.15, "share held out when the data has no validation or test folder", above=0, below=1
    )
    framing: str = option(
        "faces",
        "what of a picture is trained on: 'faces' finds the face as the app does and leaves out pictures "
        "without one; 'whole' takes every picture as it is. Pictures no larger than --image-size are whole",
        choices=("faces", "whole"),
    )
    keep_copies: bool = option(False, "keep training pictures that are also in a held-out split")
    sampling: tuple[str, ...] = option(
        (),
        "how often an epoch shows the pictures of a class, or of a class of one source, as name=times or "
        "source/name=times, such as press/angry=10; by default 1; 0.5 shows a new half each epoch",
    )
    soft_labels: str | None = option(None, "CSV of votes per training picture: image,<label>,<label>,...")
    soft_label_weight: float = option(
        1.0,
        "share of the votes in what is learned where there are votes, beside the label",
        minimum=0,
        maximum=1,
    )
    background_votes: float = option(
        0.0,
        "share of the votes for a background class whose own pictures have none that stay there; the others "
        "count for the label",
        minimum=0,
        maximum=1,
    )
    people: str | None = option(
        None,
        "who is in which picture, so that each person is either trained on or held out: a CSV image,person, "
        "or a regular expression over file names with one group, such as '^(S\\d+)_'",
    )
    groups: str | None = option(
        None,
        "CSV that says who or what each held-out picture shows: image,<any columns> such as age, skin tone, "
        "glasses, camera; every group is measured on its own. Names of groups are published with the figures",
    )

    data_note: str | None = option(
        None, "where the pictures came from, in a sentence or two for the model card"
    )
    license: str | None = option(
        None,
        "licence of the model, as the Hub names it, such as cc-by-4.0; by default that of the data set's "
        "card on the Hub, otherwise none is claimed",
    )
    license_note: str | None = option(
        None, "what the owners of the pictures allow, in a sentence or two for the model card"
    )

    # Distillation
    teacher: tuple[str, ...] = option(
        (), "trained models (folders or owner/name) whose averaged answers are learned beside the labels"
    )
    teacher_views: str = option(
        "clean",
        "which pictures teachers answer for: clean, once; or augmented, each as the network sees it, which "
        "costs their time for every picture",
        choices=("clean", "augmented"),
    )
    teacher_epochs: int = option(
        0,
        "first train a teacher with these settings for this many epochs, then learn from it; 0: no teacher",
        minimum=0,
    )
    teacher_weight: float = option(
        0.4,
        "share of the teachers' answers in what is learned",
        minimum=0,
        maximum=1,
        search=Search(0.1, 0.9),
    )
    background_teacher: str | None = option(
        None,
        "trained model whose answers for its background classes, such as neutral, are learned along where "
        "--background has no pictures of them, so that 'not sure' still works",
    )
    initial_weights: str | None = option(
        None,
        "trained model of the same network that training starts from; train.py takes the "
        f"{EMBEDDED} one unless you choose another network; '': from nothing; '{OWN_TEACHER}': the run's own",
    )
    freeze: bool = option(
        False,
        "fit only the last layer of the network that gives the initial weights, in one step; labels may be "
        "new, and settings of optimisation and augmentation do not count",
    )

    # Network
    architecture: str = option("resnet", "network by name, see emotion/training/networks.py", name="--arch")
    image_size: int = option(
        48,
        "side of the square face that the network sees, in pixels",
        minimum=SMALLEST_CROP,
        maximum=LARGEST_CROP,
    )
    channels: int = option(1, "1: grey (what FER2013 offers), 3: colour", choices=CHANNELS)
    width: int = option(40, "resnet: filters of the first stage; each later stage doubles them", minimum=1)
    blocks: tuple[int, ...] = option((1, 2, 2), "resnet: residual blocks per stage", minimum=1)
    filters: tuple[int, ...] = option((6, 16), "lenet5: filters of each convolution", minimum=1)
    kernel_size: int = option(3, "lenet5: side of the convolution kernels", minimum=1)
    dense_units: tuple[int, ...] = option((100, 10), "lenet5: units of each dense layer", minimum=1)
    ensemble_size: int = option(
        1,
        "train this many networks, each after the first from new weights and with the first as its "
        "teacher; what is saved averages their answers",
        minimum=1,
    )
    members: tuple[str, ...] = option(
        (),
        "trained models (folders or owner/name) with the same outputs, whose answers what is saved averages "
        "with those of the new network",
    )
    dropout: float = option(
        0.2, "share of activations dropped while training", minimum=0, below=1, search=Search(0, 0.5)
    )
    l2: float = option(
        1e-4, "lenet5: L2 penalty on the weights", minimum=0, search=Search(1e-6, 1e-2, log=True)
    )
    prior_correction: tuple[str, ...] = option(
        (),
        "prior correction: how much more often a class occurs in use than among the training pictures, as "
        "name=factor; corrects the bias of the last layer, and passes over names that the network does "
        "not have",
    )
    balance_labels: bool = option(
        False,
        "fit, with the calibration, a factor for how much more often each label occurs than the network "
        "expects, so that rare labels are recognised as well as common ones",
    )
    flip_averaging: bool = option(
        True,
        "test-time augmentation: the saved network averages its answers for a face and its mirror image",
    )

    # Optimisation
    epochs: int = option(40, "passes over the training pictures", minimum=1)
    batch_size: int = option(128, "pictures per step", minimum=1)
    learning_rate: float = option(
        2e-3,
        "peak of the AdamW learning rate; a cosine takes it down to zero",
        above=0,
        search=Search(3e-4, 1e-2, log=True),
    )
    warmup_epochs: float = option(2.0, "epochs in which the learning rate rises from zero", minimum=0)
    weight_decay: float = option(
        0.02, "AdamW's decoupled weight decay", minimum=0, search=Search(1e-3, 0.3, log=True)
    )
    label_smoothing: float = option(
        0.05,
        "share of each label spread over all outputs, for noisy labels",
        minimum=0,
        below=1,
        search=Search(0, 0.2),
    )
    ema_share: float = option(
        0.05,
        "the weights that are kept are an exponential moving average over about this share of the run; "
        "0: off",
        minimum=0,
        below=1,
        search=Search(0.01, 0.2, log=True),
    )
    normalization_batches: int = option(
        20,
        "clean batches that re-estimate batch normalisation for the averaged weights; 0 turns it off",
        minimum=0,
    )
    class_weights: bool = option(False, "weigh rare classes up")
    patience: int = option(
        15, "epochs without a lower validation loss before stopping; 0 never stops early", minimum=0
    )
    seed: int = option(0, "the one seed of weights, order and augmentation", minimum=0)
    precision: str = option(
        "float32",
        "mixed_bfloat16 computes in half precision where the processor or GPU can; what is saved is float32",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    litert_precision: str = option(
        "float32",
        "precision of the served model.tflite; float16 halves its size, int8 quarters it and answers several "
        "times faster; both also round the weights of the Keras model",
        choices=("float32", "float16", "int8"),
    )
    workers: int = option(2, "threads that decode and augment pictures ahead of the network", minimum=1)
    cache_mib: int = option(
        2048,
        "MiB of memory for pictures that were decoded once (a million grey ones of 48 pixels take 2,200); "
        "those beyond are decoded again in every epoch",
        minimum=0,
    )
    devices: int = option(
        1,
        "GPUs (or parts of a processor that TensorFlow or JAX was told to count) that share every batch; 0: "
        "all of this computer, and of all that TF_CONFIG or KERAS_DISTRIBUTION_JOB_ADDRESSES names",
        minimum=0,
    )

    # Augmentation: what a face detector, a webcam and a living room do to a face
    flip: bool = option(True, "mirror half of the faces")
    rotation: float = option(
        15.0, "largest rotation, in degrees", minimum=0, maximum=180, search=Search(0, 30)
    )
    shift: float = option(
        0.06, "largest shift, as a share of the side", minimum=0, maximum=1, search=Search(0, 0.15)
    )
    zoom: float = option(
        0.15, "largest change of size, as a share", minimum=0, below=1, search=Search(0, 0.3)
    )
    brightness: float = option(
        0.2,
        "largest change of brightness, as a share of the full range",
        minimum=0,
        maximum=1,
        search=Search(0, 0.4),
    )
    contrast: float = option(
        0.3, "largest change of contrast, as a share", minimum=0, below=1, search=Search(0, 0.6)
    )
    degrade: float = option(
        0.25,
        "share of faces with webcam noise, blur, low resolution or JPEG artefacts",
        minimum=0,
        maximum=1,
        search=Search(0, 0.6),
    )
    erasing: float = option(
        0.15, "share of faces with one rectangle painted over", minimum=0, maximum=1, search=Search(0, 0.5)
    )

    def __post_init__(self) -> None:
        # One source may be given as such; older versions knew no more.
        object.__setattr__(self, "data", as_sources(self.data))
        if not self.data:
            raise ValueError("--data needs a folder, a FER2013 CSV, kaggle:owner/name or hf:owner/name.")
        for item in fields(self):
            value = getattr(self, item.name)
            check_value(item, value)
            if isinstance(item.default, tuple):
                object.__setattr__(self, item.name, tuple(value))
        for name in ("initial_weights", "background_teacher"):
            object.__setattr__(self, name, getattr(self, name) or None)
        if self.initial_weights == OWN_TEACHER and not self.teacher_epochs:
            raise ValueError(
                f"--initial-weights {OWN_TEACHER} needs --teacher-epochs above 0. Give a trained model, or "
                "--initial-weights '' to start from nothing."
            )
        if self.freeze and (self.initial_weights in (None, OWN_TEACHER) or self.teacher_epochs):
            raise ValueError("--freeze needs --initial-weights, a trained model, and cannot train a teacher.")
        if self.freeze and self.background_teacher:
            raise ValueError("--freeze cannot learn from a --background-teacher.")
        self.prior_factors()
        self.sampling_factors()
        names = self.labels + self.background
        if len(set(names)) < len(names):
            raise ValueError("--labels and --background name a folder twice.")

    def prior_factors(self) -> dict[str, float]:
        """Return `prior_correction` as class name → factor; anything but name=number > 0 is a ValueError."""
        return _factors(self.prior_correction, "--prior-correction", "fear=0.25")

    def sampling_factors(self) -> dict[str, float]:
        """Return `sampling` as class name, or source/class → times an epoch; errors as `prior_factors`."""
        return _factors(self.sampling, "--sampling", "press/angry=10")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-able values."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainingConfig":
        """Rebuild a configuration from `to_dict`, also of another version of this program.

        Missing settings take their default, unknown ones are left out; a wrong value is a ValueError.
        """
        known = {item.name for item in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})


def as_sources(data: str | Sequence[str]) -> tuple[str, ...]:
    """Return one data source, or several, as several."""
    return (data,) if isinstance(data, str) else tuple(data)


def defaults_of_run(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `train.py` takes where a run with these settings has nothing typed."""
    defaults, start = TrainingConfig().to_dict(), settings.get("initial_weights")
    if not start:
        defaults["initial_weights"] = EMBEDDED
    elif start != OWN_TEACHER and not settings.get("freeze"):
        defaults |= FINE_TUNING
        if not (settings.get("background") or settings.get("teacher")):
            defaults["background_teacher"] = start
    return defaults


def _factors(entries: tuple[str, ...], option_typed: str, example: str) -> dict[str, float]:
    """Return name=number entries as a dict; reject malformed entries and non-positive numbers."""
    factors = {}
    for entry in entries:
        name, _, number = entry.rpartition("=")
        try:
            factors[name] = float(number)
        except ValueError:
            factors[name] = 0.0
        if not name or not 0 < factors[name] < math.inf:
            raise ValueError(f"{option_typed} takes name=factor above 0, such as {example}, not {entry!r}.")
    return factors


def option_name(field_name: str) -> str:
    """Return the command-line spelling of a field: `image_size` → `--image-size`."""
    return typed_name(TrainingConfig.__dataclass_fields__[field_name])


def public_source(source: str) -> str:
    """Return the name of a data source, or of several joined by " + ", without the folders above them."""
    if " + " in source:
        return " + ".join(map(public_source, source.split(" + ")))
    absolute = PurePath(source).is_absolute() or PureWindowsPath(source).is_absolute()
    return PureWindowsPath(source).name if absolute else source
