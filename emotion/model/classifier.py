"""`EmotionClassifier`: a trained network with everything needed to use it right. It draws no pages."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion.errors import ModelLoadError
from emotion.model import hub
from emotion.model.engines import (
    KERAS_FILES,
    LITERT_FILE,
    WEIGHTS_FILE,
    KerasNetwork,
    Network,
    compress_weights,
    export_litert,
    load_network,
)
from emotion.predictions.calibration import Calibration
from emotion.predictions.face import NEUTRAL_OR_MIXED, FacePrediction
from emotion.vision.crop import (
    CHANNELS,
    LARGEST_CROP,
    SMALLEST_CROP,
    Located,
    crop_face,
    crop_square,
    scaled_place,
)
from emotion.vision.faces import detect_faces
from emotion.vision.images import Picture, open_image, open_picture
from emotion.vision.quality import quality_problem

if TYPE_CHECKING:
    import keras
    from PIL import Image

    from emotion.report.report import Report

    AnyPicture = str | os.PathLike | bytes | Image.Image | np.ndarray | Picture

logger = logging.getLogger(__name__)

EMBEDDED = Path(__file__).parents[1] / "pretrained"
EMBEDDED_NAME = "embedded default"
DESCRIPTION_FILE = "emotion.json"
CARD_FILE = "README.md"
FORMAT = 1
RECORDED_PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy", "pillow")


@dataclass(frozen=True)
class Description:
    """The content of `emotion.json`: whatever the weights need to be used right.

    Attributes
    ----------
    labels : tuple of str
        The emotions that predictions name.
    outputs : tuple of str
        What every network output means, in order: the labels, then background classes.
    input_size, channels : int
        The faces that the network takes, in pixels, and 1 for grey or 3 for colour.
    calibration : Calibration
        Temperature and "not sure" threshold.
    training : dict
        The `TrainingConfig` of the run.
    data : dict
        Source and fingerprint of the training data.
    versions : dict
        Libraries that the model was saved with.
    """

    labels: tuple[str, ...]
    outputs: tuple[str, ...]
    input_size: int
    channels: int
    calibration: Calibration
    training: dict[str, Any]
    data: dict[str, Any]
    versions: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "format": FORMAT,
            "labels": list(self.labels),
            "outputs": [
                {"name": name, "label": name if name in self.labels else None} for name in self.outputs
            ],
            "input": {"size": self.input_size, "channels": self.channels, "range": [0, 255]},
            "calibration": {
                "method": "temperature scaling",
                "temperature": self.calibration.temperature,
                "fitted_on": self.calibration.fitted_on,
            },
            "threshold": self.calibration.threshold,
            "training": self.training,
            "data": self.data,
            "versions": self.versions,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Description:
        """Rebuild from `to_dict`.

        Raises
        ------
        ValueError, KeyError, TypeError
            If something is missing or of another format.
        """
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']} is newer than this program knows")
        labels = tuple(map(str, values["labels"]))
        outputs = tuple(str(output["name"]) for output in values["outputs"])
        if len(labels) < 2 or outputs[: len(labels)] != labels:
            raise ValueError("the labels must be the first outputs, and at least two")
        size, channels = int(values["input"]["size"]), int(values["input"]["channels"])
        if not SMALLEST_CROP <= size <= LARGEST_CROP or channels not in CHANNELS:
            raise ValueError(
                f"faces must be {SMALLEST_CROP} to {LARGEST_CROP} pixels wide and have 1 or 3 channels"
            )
        calibration = values["calibration"]
        temperature, threshold = float(calibration["temperature"]), float(values["threshold"])
        if not (0 < temperature < math.inf and 0 <= threshold <= 1):
            raise ValueError("temperature or threshold is out of range")
        return cls(
            labels=labels,
            outputs=outputs,
            input_size=size,
            channels=channels,
            calibration=Calibration(temperature, threshold, int(calibration.get("fitted_on", 0))),
            training=dict(values.get("training", {})),
            data=dict(values.get("data", {})),
            versions=dict(values.get("versions", {})),
        )


class EmotionClassifier:
    """A trained network with its labels, calibration and report.

    Get one from `from_pretrained`, or from `train.py`'s run.

    Parameters
    ----------
    network : callable
        float32 faces (n, size, size, channels) in 0..255 → float32 softmax probabilities (n, outputs).
    description : Description
        What the network's outputs mean and how to use them.
    report : Report, optional
        The evaluation that travels with the model.
    folder : path, optional
        Where the model was loaded from.
    model_name : str
        "owner/name", a folder, or "embedded default".
    revision : str, optional
        Commit on the Hub.
    notice : str, optional
        What a person should know about where this model comes from.
    """

    def __init__(
        self,
        network: Network,
        description: Description,
        *,
        report: Report | None = None,
        folder: Path | None = None,
        model_name: str = "a model in memory",
        revision: str | None = None,
        notice: str | None = None,
    ) -> None:
        self.network = network
        self.description = description
        self._report = report
        self.folder = folder
        self.model_name = model_name
        self.revision = revision
        self.notice = notice

    @classmethod
    def from_pretrained(
        cls,
        reference: str | os.PathLike | None = None,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike | None = None,
    ) -> EmotionClassifier:
        """Load a model: the embedded default, a folder, or one from the Hub. No code from it is run.

        Parameters
        ----------
        reference : str or path, optional
            None for the embedded default; a folder; "owner/name" or "owner/name@revision" on the Hub.
        revision : str, optional
            Branch, tag or commit on the Hub.
        token, cache_dir : optional
            As for every Hugging Face library; `token=False` reads public models only.

        Raises
        ------
        ModelLoadError
            If there is no such model, or it cannot be read or trusted.
        """
        if reference is None or Path(reference).is_dir():
            folder = EMBEDDED if reference is None else Path(reference)
            return cls._from_folder(folder, model_name=EMBEDDED_NAME if reference is None else str(reference))
        repo_id, _, named_revision = str(reference).partition("@")
        if repo_id.count("/") != 1 or repo_id.startswith((".", "/", "~")):
            raise ModelLoadError(
                f"There is no folder {str(reference)!r}. "
                "Name a folder that train.py saved, or a model on the Hub as owner/name."
            )
        snapshot = hub.pull(
            repo_id, revision=revision or named_revision or None, token=token, cache_dir=cache_dir
        )
        notice = (
            f"The Hub did not answer; this is the copy of {repo_id} on this computer."
            if snapshot.offline
            else None
        )
        return cls._from_folder(
            snapshot.folder, model_name=repo_id, revision=snapshot.revision, notice=notice
        )

    @classmethod
    def from_pretrained_or_default(cls, reference: str | None = None, **options: Any) -> EmotionClassifier:
        """Load a model, or the embedded default with a notice that says why: an app must answer something."""
        try:
            return cls.from_pretrained(reference or None, **options)
        except ModelLoadError as error:
            classifier = cls.from_pretrained()
            classifier.notice = f"{error} Until then the {EMBEDDED_NAME} model answers."
            return classifier

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions that predictions name."""
        return self.description.labels

    @property
    def outputs(self) -> tuple[str, ...]:
        """What every network output means: the labels first, then classes that belong to none of them."""
        return self.description.outputs

    @property
    def threshold(self) -> float:
        """Below this confidence, 0..1, the label is None."""
        return self.description.calibration.threshold

    @property
    def temperature(self) -> float:
        """Divides the logits; above 1 the raw network is too sure of itself."""
        return self.description.calibration.temperature

    @property
    def input_size(self) -> int:
        """Side of the faces that the network takes, in pixels."""
        return self.description.input_size

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return self.description.channels

    @property
    def report(self) -> Report | None:
        """The evaluation that travels with the model, read when it is asked for; None where there is none."""
        if self._report is None and self.folder:
            from emotion.report.report import REPORT_FILE, read_report

            self._report = read_report(self.folder / REPORT_FILE)
        return self._report

    @property
    def card(self) -> str | None:
        """The model card that came with the model, as Markdown."""
        path = self.folder / CARD_FILE if self.folder else None
        return path.read_text(encoding="utf-8") if path and path.is_file() else None

    def predict(self, picture: AnyPicture, *, limit: int = 20) -> list[FacePrediction]:
        """Find the faces in a picture and tell what each shows.

        Parameters
        ----------
        picture : path, bytes, PIL image, uint8 array (H, W[, 3|4]) or opened Picture
            Turned upright first, as its EXIF orientation says.
        limit : int
            At most so many faces, largest first.

        Returns
        -------
        list of FacePrediction
            Empty where no face was found.

        Raises
        ------
        InvalidImageError
            If it is not a picture; the message says what to do.
        """
        opened = picture if isinstance(picture, Picture) else open_picture(picture)
        found = detect_faces(opened.pixels, limit=limit)
        places = [scaled_place(face, opened.scale) for face in found] if opened.scale > 1 else found
        # A face that the network would have to enlarge is cut from the full picture.
        if opened.scale > 1 and any(max(face.box[2:]) < self.input_size for face in found):
            opened = opened.full()
        return self.predict_located(opened, places)

    def predict_located(self, picture: Picture, faces: Sequence[Located]) -> list[FacePrediction]:
        """Tell what faces show whose places in the whole picture are known already.

        Parameters
        ----------
        picture : Picture
            The picture, which may have been opened reduced.
        faces : sequence of Located
            Their boxes and eyes in pixels of the whole picture.

        Returns
        -------
        list of FacePrediction
            One per face, in the same order.
        """
        crops = [self.crop(picture, face) for face in faces]
        predictions = []
        for face, crop, prediction in zip(faces, crops, self._predict_crops(crops), strict=True):
            prediction = replace(prediction, box=face.box, eyes=face.eyes, tight=face.tight)
            if problem := quality_problem(face.box, crop):
                prediction = replace(prediction, label=None, reason=problem)
            predictions.append(prediction)
        return predictions

    def crop(self, picture: Picture, face: Located) -> np.ndarray:
        """Cut a face out of a picture as the network sees it: uint8 (size, size) or (size, size, 3)."""
        place = scaled_place(face, 1 / picture.scale) if picture.scale > 1 else face
        return crop_face(picture.pixels, place, size=self.input_size, channels=self.channels)

    def predict_faces(self, crops: Sequence[np.ndarray] | np.ndarray) -> list[FacePrediction]:
        """Tell what face crops show, each framed like the training faces.

        Parameters
        ----------
        crops : n arrays of uint8 (H, W) or (H, W, 3)
            Of any size; they are scaled to the network's.

        Returns
        -------
        list of FacePrediction
            n predictions, with box None.

        Raises
        ------
        InvalidImageError
            If a crop is not such an array.
        """
        resized = []
        for crop in crops:
            picture = open_image(np.asarray(crop))
            height, width = picture.shape[:2]
            box = (0, 0, width, height)
            resized.append(crop_square(picture, box, size=self.input_size, channels=self.channels))
        return self._predict_crops(resized)

    def save_pretrained(
        self, folder: str | os.PathLike, *, litert_precision: str = "float32", repo_id: str | None = None
    ) -> Path:
        """Write the model in the saved format: a folder that Keras, LiteRT and this class can open.

        Parameters
        ----------
        folder : path
            Created if needed; files of an earlier model in it are replaced.
        litert_precision : {"float32", "float16", "int8"}
            Precision of `model.tflite`, which is written where Keras runs on TensorFlow. Below float32, the
            weights of the Keras model are rounded to the 10 bits of float16's fraction and compressed.
        repo_id : str, optional
            "owner/name" that the card's examples should show.

        Returns
        -------
        Path
            The folder.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(self.network, KerasNetwork) or self.folder is None:
            self._write_network(folder, litert_precision)
        elif folder.resolve() != self.folder.resolve():
            for name in (*KERAS_FILES, LITERT_FILE):
                if (self.folder / name).is_file():
                    shutil.copyfile(self.folder / name, folder / name)
        _write_json(folder / DESCRIPTION_FILE, self.description.to_dict())
        if self.report is not None:
            from emotion.report.plots import write_report

            write_report(self.report, folder)
        (folder / CARD_FILE).write_text(self.render_card(repo_id), encoding="utf-8")
        return folder

    def render_card(self, repo_id: str | None = None) -> str:
        """Render the model card from the report, with `repo_id` in its examples."""
        from emotion.report.card import render

        return render(self.report, self.description.to_dict(), repo_id=repo_id)

    def push_to_hub(
        self,
        repo_id: str | None = None,
        *,
        private: bool = False,
        revision: str | None = None,
        tag: str | None = None,
        token: str | None = None,
    ) -> str:
        """Publish the saved model to the Hub in one commit and return its URL.

        Parameters
        ----------
        repo_id : str, optional
            "owner/name"; by default "<your user name>/facial-emotion".
        private, revision, tag, token : optional
            Visibility of a new repository, branch to commit to, tag for the commit, token to use.

        Raises
        ------
        PublishError
            With what to do, and the one command that publishes the saved folder later.
        ModelLoadError
            If the model was never saved to a folder.
        """
        if self.folder is None:
            raise ModelLoadError("Save the model with save_pretrained(folder) before publishing it.")
        return hub.publish(
            self.folder,
            repo_id,
            private=private,
            revision=revision,
            tag=tag,
            token=token,
            card=self.render_card,
        )

    @classmethod
    def _from_folder(
        cls, folder: Path, *, model_name: str, revision: str | None = None, notice: str | None = None
    ) -> EmotionClassifier:
        path = folder / DESCRIPTION_FILE
        try:
            description = Description.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise ModelLoadError(
                f"{folder} holds no model of this project: {DESCRIPTION_FILE} is missing. "
                "Name a folder that train.py saved."
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelLoadError(
                f"{path} cannot be used: {error}. Save or download the model again."
            ) from error
        network = load_network(folder)
        if network.outputs != len(description.outputs):
            raise ModelLoadError(
                f"{folder} is inconsistent: the network has {network.outputs} outputs, {DESCRIPTION_FILE} names "
                f"{len(description.outputs)}. Save or download the model again."
            )
        told = (description.input_size, description.input_size, description.channels)
        if any(own not in (None, side) for own, side in zip(network.input_shape, told, strict=True)):
            raise ModelLoadError(
                f"{folder} is inconsistent: the network takes faces of another size or number of channels than "
                f"{DESCRIPTION_FILE} says. Save or download the model again."
            )
        return cls(
            network,
            description,
            folder=folder,
            model_name=model_name,
            revision=revision,
            notice=notice,
        )

    def _predict_crops(self, crops: Sequence[np.ndarray]) -> list[FacePrediction]:
        shape = (len(crops), self.input_size, self.input_size, self.channels)
        raw = self.network(np.asarray(crops, np.float32).reshape(shape))
        shown, sureness = self.description.calibration.apply(raw, len(self.labels))
        return [
            self._prediction(row, float(confidence)) for row, confidence in zip(shown, sureness, strict=True)
        ]

    def _prediction(self, probabilities: np.ndarray, confidence: float) -> FacePrediction:
        sure = confidence >= self.threshold
        return FacePrediction(
            box=None,
            label=self.labels[int(probabilities.argmax())] if sure else None,
            confidence=confidence,
            probabilities={
                label: float(value) for label, value in zip(self.labels, probabilities, strict=True)
            },
            reason=None if sure else NEUTRAL_OR_MIXED,
        )

    def _write_network(self, folder: Path, litert_precision: str) -> None:
        import keras

        model: keras.Model = self.network.model
        keras.saving.save_model(model, folder, zipped=False)
        if litert_precision != "float32":
            compress_weights(folder / WEIGHTS_FILE)
        if (folder / "assets").is_dir() and not any((folder / "assets").iterdir()):
            (folder / "assets").rmdir()
        (folder / LITERT_FILE).unlink(missing_ok=True)
        if keras.backend.backend() == "tensorflow":
            export_litert(model, folder / LITERT_FILE, size=self.input_size, precision=litert_precision)
        else:
            logger.warning(
                "%s is served by Keras: %s is written by TensorFlow only. To add it where TensorFlow is installed, "
                "load the folder with EmotionClassifier.from_pretrained and save it again.",
                folder,
                LITERT_FILE,
            )


def library_versions() -> dict[str, str]:
    """Return the versions of the installed libraries that a saved model should name."""
    found = {}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
