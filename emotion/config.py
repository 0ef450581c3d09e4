"""Every hyperparameter of a training run, with its default and the reason for it, in one place."""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from emotion.runtime import CHANNELS, LARGEST_IMAGE, SMALLEST_IMAGE

DEFAULT_DATA = "kaggle:muhammadhananasghar/human-emotions-datasethes"

NEVER_NEGATIVE = (
    "warmup_epochs",
    "weight_decay",
    "l2",
    "rotation",
    "patience",
    "normalization_batches",
    "teacher_epochs",
)
EVERYTHING_ELSE = ("*",)  # as a background: all classes that are no label
OWN_TEACHER = "teacher"  # as a start: the teacher that the run itself trains


def option(default: Any, help: str, **choices: Any) -> Any:
    """Declare one hyperparameter: its default value and the sentence that `train.py --help` prints."""
    return field(default=default, metadata={"help": help, **choices})


@dataclass(frozen=True)
class TrainingConfig:
    """All settings of one training run.

    Every field is an option of `train.py` (`image_size` is `--image-size`) and is recorded in the saved
    model's `emotion.json`, so that a model tells how it was made.

    Raises
    ------
    ValueError
        If a value is out of its range; the message names the option and the range.
    """

    # Data
    data: str = option(
        DEFAULT_DATA, "labelled pictures: a folder, a FER2013 CSV, kaggle:owner/name or hf:owner/name"
    )
    labels: tuple[str, ...] = option(("angry", "happy", "sad"), "folders to tell apart, in this order")
    background: tuple[str, ...] = option(
        (),
        "folders that belong to no label; the network learns them so that it can answer 'not sure'; "
        "'*' takes all that are no label",
    )
    validation_fraction: float = option(0.15, "share held out when the data has no validation or test folder")
    keep_copies: bool = option(False, "keep training pictures that also stand in a held-out split")
    soft_labels: str | None = option(None, "CSV of votes per training picture: image,<label>,<label>,...")

    # Distillation
    teacher: tuple[str, ...] = option(
        (), "trained models (folders or owner/name) whose averaged answers are learned beside the labels"
    )
    teacher_epochs: int = option(
        0,
        "first train a teacher of the same settings for so many epochs, then learn from it; 0: no such teacher",
    )
    teacher_weight: float = option(0.4, "share of the teachers' answers in what is learned")
    start: str | None = option(
        None,
        "trained model (folder or owner/name) of the same network, whose weights training starts from; its last "
        f"layer only if it has the same outputs; '{OWN_TEACHER}': the run's own teacher",
    )

    # Network
    architecture: str = option("resnet", "network by name, see emotion/architectures.py", option="--arch")
    image_size: int = option(48, "side of the square face that the network sees, in pixels")
    channels: int = option(1, "1: grey (what FER2013 offers), 3: colour", choices=CHANNELS)
    width: int = option(40, "resnet: filters of the first stage; each later stage doubles them")
    blocks: tuple[int, ...] = option((1, 2, 2), "resnet: residual blocks per stage")
    filters: tuple[int, ...] = option((6, 16), "lenet5: filters of each convolution")
    kernel_size: int = option(3, "lenet5: side of the convolution kernels")
    dense_units: tuple[int, ...] = option((100, 10), "lenet5: units of each dense layer")
    networks: int = option(
        1,
        "train so many networks, each after the first from new weights and with the first as its teacher; what is "
        "saved averages their answers",
    )
    dropout: float = option(0.2, "share of activations dropped while training")
    l2: float = option(1e-4, "lenet5: L2 penalty on the weights")
    frequency: tuple[str, ...] = option(
        (),
        "how much more often a class occurs in use than among the training pictures, as name=factor; "
        "corrects the bias of the last layer, and passes over names that the network does not have",
    )
    mirror_average: bool = option(
        True, "the saved network averages its answers for a face and its mirror image"
    )

    # Optimisation
    epochs: int = option(40, "passes over the training pictures")
    batch_size: int = option(128, "pictures per step")
    learning_rate: float = option(2e-3, "peak of the AdamW learning rate; a cosine takes it down to zero")
    warmup_epochs: float = option(2.0, "epochs in which the learning rate rises from zero")
    weight_decay: float = option(0.02, "AdamW's decoupled weight decay")
    label_smoothing: float = option(0.05, "share of each label spread over all outputs, for noisy labels")
    weight_averaging: float = option(
        0.05, "the weights that are kept are averaged over about this share of the run; 0 turns it off"
    )
    normalization_batches: int = option(
        20, "clean batches that re-estimate batch normalisation for the averaged weights; 0 turns it off"
    )
    class_weights: bool = option(False, "weigh rare classes up")
    patience: int = option(15, "epochs without a lower validation loss before stopping; 0 never stops early")
    precision: str = option(
        "float32",
        "mixed_bfloat16 computes in half precision where the processor or GPU can; what is saved is float32",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    seed: int = option(0, "the one seed of weights, order and augmentation")
    litert_precision: str = option(
        "float32",
        "precision of the served model.tflite; float16 halves its size, int8 quarters it and answers several times "
        "faster; both also round the weights of the Keras model",
        choices=("float32", "float16", "int8"),
    )
    workers: int = option(2, "threads that decode and augment pictures ahead of the network")

    # Augmentation: what a face detector, a webcam and a living room do to a face
    flip: bool = option(True, "mirror half of the faces")
    rotation: float = option(15.0, "largest rotation, in degrees")
    shift: float = option(0.06, "largest shift, as a share of the side")
    zoom: float = option(0.15, "largest change of size, as a share")
    brightness: float = option(0.2, "largest change of brightness, as a share of the full range")
    contrast: float = option(0.3, "largest change of contrast, as a share")
    degrade: float = option(0.25, "share of faces with webcam noise, blur, low resolution or JPEG artefacts")
    erasing: float = option(0.15, "share of faces with one rectangle painted over")

    def __post_init__(self) -> None:
        for name in ("labels", "background", "teacher", "frequency", "blocks", "filters", "dense_units"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "start", self.start or None)
        positive = ("image_size", "epochs", "batch_size", "learning_rate", "width", "kernel_size", "workers")
        positive += ("networks",)
        for name in positive:
            if getattr(self, name) <= 0:
                raise ValueError(f"{option_name(name)} must be above 0, not {getattr(self, name)}.")
        for name in ("blocks", "filters", "dense_units"):
            if not getattr(self, name) or min(getattr(self, name)) < 1:
                raise ValueError(
                    f"{option_name(name)} needs whole numbers above 0, not {getattr(self, name)}."
                )
        for name in ("dropout", "label_smoothing", "weight_averaging", "zoom", "contrast"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{option_name(name)} must be in [0, 1), not {getattr(self, name)}.")
        for name in ("shift", "brightness", "degrade", "erasing", "teacher_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{option_name(name)} must be in [0, 1], not {getattr(self, name)}.")
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"--validation-fraction must be in (0, 1), not {self.validation_fraction}.")
        for name in NEVER_NEGATIVE:
            if getattr(self, name) < 0:
                raise ValueError(f"{option_name(name)} cannot be below 0.")
        for item in fields(self):
            allowed = item.metadata.get("choices")
            if allowed and getattr(self, item.name) not in allowed:
                raise ValueError(f"{option_name(item.name)} must be one of {', '.join(map(str, allowed))}.")
        if not SMALLEST_IMAGE <= self.image_size <= LARGEST_IMAGE:
            raise ValueError(
                f"--image-size must be {SMALLEST_IMAGE} to {LARGEST_IMAGE} pixels, not {self.image_size}."
            )
        if self.start == OWN_TEACHER and not self.teacher_epochs:
            raise ValueError(
                f"--start {OWN_TEACHER} needs --teacher-epochs above 0. Give a trained model, or --start '' to start "
                "from nothing."
            )
        self.frequency_factors()
        names = self.labels + self.background
        if len(set(names)) < len(names):
            raise ValueError("--labels and --background name a folder twice.")

    def frequency_factors(self) -> dict[str, float]:
        """Return `frequency` as class name → factor.

        Raises
        ------
        ValueError
            If an entry is not name=number, or the number is not above 0.
        """
        factors = {}
        for entry in self.frequency:
            name, _, number = entry.rpartition("=")
            try:
                factors[name] = float(number)
            except ValueError:
                factors[name] = 0.0
            if not name or not 0 < factors[name] < float("inf"):
                raise ValueError(f"--frequency takes name=factor above 0, such as fear=0.25, not {entry!r}.")
        return factors

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-able values."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainingConfig":
        """Rebuild a configuration from `to_dict`; settings that a newer version added take their default."""
        known = {item.name for item in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})


# What `--recipe NAME` sets; an option given beside it wins. The card of the embedded model says how `best` made it.
RECIPES: dict[str, dict[str, Any]] = {
    "best": {
        "background": EVERYTHING_ELSE,
        # FER2013 was searched for by emotion words: 1.6 faces of the last three per neutral one, where AffectNet
        # (Mollahosseini et al., 2017) has 0.37. How far to go was chosen on the calibration half, for AUROC.
        "frequency": ("neutral=1.5", "fear=0.1", "surprise=0.1", "disgust=0.1"),
        "teacher_epochs": 70,
        "start": OWN_TEACHER,
        "epochs": 66,
        "patience": 0,
        "weight_decay": 0.05,
        "shift": 0.09,
        "zoom": 0.22,
        "erasing": 0.3,
        "networks": 2,
        "litert_precision": "int8",
    },
}


def follow_recipe(name: str | None, given: dict[str, Any]) -> TrainingConfig:
    """Return the settings of a recipe, if any, with options of one's own, which win.

    The class frequencies of a recipe hold for backgrounds only: what a folder's labels are, it cannot know.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """
    config = TrainingConfig(**{**RECIPES.get(name, {}), **given})
    if "frequency" in given:
        return config
    kept = [entry for entry in config.frequency if entry.rpartition("=")[0] not in config.labels]
    return replace(config, frequency=kept)


def option_name(field_name: str) -> str:
    """Return the command-line spelling of a field: `image_size` → `--image-size`."""
    item = TrainingConfig.__dataclass_fields__[field_name]
    return item.metadata.get("option", "--" + field_name.replace("_", "-"))
