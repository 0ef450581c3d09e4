"""`EmotionClassifier`: a trained network with everything needed to use it right. It draws no pages."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from emotion.drawing import annotate_with_bars
from emotion.errors import ModelLoadError
from emotion.model.description import CARD_FILE, LONGEST_TEXT, Description
from emotion.model.engines import Network
from emotion.model.loading import EMBEDDED, SavedModel, load, load_folder
from emotion.model.saving import save
from emotion.predictions.face import NEUTRAL_OR_MIXED, FacePrediction
from emotion.report.report import PLOTS_FOLDER, REPORT_FILE, Report, read_report
from emotion.vision.crop import Place, crop_face, face_likelihood, quality_problem, scaled_place, whole_crop
from emotion.vision.faces import detect_faces
from emotion.vision.images import Picture, Source, open_image, open_picture

AnyPicture = Source | Picture

# Two made-up people that the card shows with the model's answers: path in the model's folder → example.
FACES = {f"{PLOTS_FOLDER}/face-1.png": "4-angry.jpg", f"{PLOTS_FOLDER}/face-2.png": "5-sad.jpg"}
EXAMPLE_SIDE = 320  # pixels
PACKAGE_FOLDER = Path(__file__).parents[1]
EXAMPLE_FOLDERS = (PACKAGE_FOLDER / "web" / "examples", PACKAGE_FOLDER.parent / "examples")


class EmotionClassifier:
    """A trained network with its labels, calibration and report.

    Get one from `from_pretrained`; a training run returns one, too.

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
        A remark for users about where this model comes from.
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
        reference: str | os.PathLike[str] | None = None,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Load a model: the embedded default, a folder, or one from the Hub. No Python code from it is run.

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
        return cls.of(load(reference, revision=revision, token=token, cache_dir=cache_dir))

    @classmethod
    def of(cls, saved: SavedModel) -> Self:
        """Return the classifier of a loaded model."""
        return cls(**vars(saved))

    def __reduce__(self) -> tuple[Callable[..., EmotionClassifier], tuple[object, ...]]:
        """Pickle where the model is and what its outputs mean, not its weights; raises ModelLoadError."""
        if self.folder is None:
            raise ModelLoadError(
                "A model in memory cannot be handed to another process. Save it with "
                "save_pretrained(folder), and load it from there."
            )
        reference = None if self.folder == EMBEDDED else str(self.folder.absolute())
        name = self.model_name if self.revision else None
        return _load_pickled, (reference, name, self.revision, self.description)

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
        """The evaluation that was saved with the model, or None; read when it is first used."""
        if self._report is None and self.folder:
            self._report = read_report(self.folder / REPORT_FILE)
        return self._report

    @property
    def card(self) -> str | None:
        """The model card that came with the model, as Markdown."""
        path = self.folder / CARD_FILE if self.folder else None
        if path is None or not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(LONGEST_TEXT).decode("utf-8", errors="replace")

    def predict(self, picture: AnyPicture, *, limit: int = 20) -> list[FacePrediction]:
        """Find the faces in a picture and classify each.

        Parameters
        ----------
        picture : path, bytes, PIL image, uint8 array (H, W[, 3|4]) or opened Picture
            Turned upright first, as its EXIF orientation says.
        limit : int
            Return at most this many faces, largest first.

        Returns
        -------
        list of FacePrediction
            Empty where no face was found.

        Raises
        ------
        InvalidImageError
            If it is not a picture; the message says what to do.
        """
        return self.predict_located(*self.locate(picture, limit=limit))

    def locate(self, picture: AnyPicture, *, limit: int = 20) -> tuple[Picture, Sequence[Place]]:
        """Find the faces as `predict` does; return them with the picture, as large as their crops need it."""
        opened = picture if isinstance(picture, Picture) else open_picture(picture)
        found = detect_faces(opened.pixels, limit=limit)
        places = [scaled_place(face, opened.scale) for face in found]
        # A face that the network would have to enlarge is cut from the full picture.
        if any(max(face.box[2:]) < self.input_size for face in found):
            opened = opened.full()
        return opened, places

    def predict_located(self, picture: Picture, faces: Sequence[Place]) -> list[FacePrediction]:
        """Classify faces at known places in the whole picture; one prediction per face, in order."""
        crops = [self.crop(picture, face) for face in faces]
        predictions = []
        answers = self._predict_crops(crops, [face_likelihood(face) for face in faces])
        for face, crop, prediction in zip(faces, crops, answers, strict=True):
            prediction = replace(prediction, box=face.box, eyes=face.eyes, tight=face.tight)
            if problem := quality_problem(face.box, crop):
                prediction = replace(prediction, label=None, reason=problem)
            predictions.append(prediction)
        return predictions

    def crop(self, picture: Picture, face: Place) -> np.ndarray:
        """Cut a face out of a picture as the network sees it: uint8 (size, size) or (size, size, 3)."""
        place = scaled_place(face, 1 / picture.scale)
        return crop_face(picture.pixels, place, size=self.input_size, channels=self.channels)

    def predict_faces(self, crops: Sequence[np.ndarray] | np.ndarray) -> list[FacePrediction]:
        """Classify face crops, each framed like the training faces.

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
        pictures = map(open_image, map(np.asarray, crops))
        return self._predict_crops([whole_crop(each, self.input_size, self.channels) for each in pictures])

    def save_pretrained(
        self, folder: str | os.PathLike[str], *, litert_precision: str = "float32", repo_id: str | None = None
    ) -> Path:
        """Write the model in the saved format: a folder that Keras, LiteRT and this class can open.

        Parameters
        ----------
        folder : path
            Created if needed; an earlier model in it is replaced as a whole, also when the process is killed.
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
        pictures = self._example_answers() if self.report is not None else {}
        self.description = save(
            self.network,
            self.description,
            Path(folder),
            source=self.folder,
            report=self.report,
            card=self._render_card(repo_id, pictures),
            pictures=pictures,
            litert_precision=litert_precision,
        )
        return Path(folder)

    def render_card(self, repo_id: str | None = None) -> str:
        """Render the model card from the report, with `repo_id` in its examples."""
        folder = self.folder
        return self._render_card(repo_id, [path for path in FACES if folder and (folder / path).is_file()])

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
        from emotion.model.publish import publish

        return publish(
            self.folder,
            repo_id,
            private=private,
            revision=revision,
            tag=tag,
            token=token,
            card=self.render_card,
        )

    def _render_card(self, repo_id: str | None, faces: Iterable[str]) -> str:
        from emotion.report.card import render

        return render(self.report, self.description.to_dict(), repo_id=repo_id, faces=tuple(faces))

    def _example_answers(self) -> dict[str, bytes]:
        """Draw the answers for the made-up faces that are installed: PNG by path in a model's folder."""
        pictures: dict[str, bytes] = {}
        folder = next((place for place in EXAMPLE_FOLDERS if place.is_dir()), Path())
        for path, name in FACES.items():
            if (folder / name).is_file():
                pixels = open_picture(folder / name).shown(EXAMPLE_SIDE).pixels
                drawn = annotate_with_bars(pixels, self.predict(pixels))
                file = io.BytesIO()
                drawn.quantize(256).save(file, "PNG", optimize=True)
                pictures[path] = file.getvalue()
        return pictures

    def _predict_crops(
        self, crops: Sequence[np.ndarray], likelihoods: Sequence[float] | None = None
    ) -> list[FacePrediction]:
        shape = (len(crops), self.input_size, self.input_size, self.channels)
        raw = self.network(np.asarray(crops, np.float32).reshape(shape))
        shown, sureness = self.description.calibration.apply(raw, len(self.labels))
        if likelihoods is not None:
            sureness = sureness * np.asarray(likelihoods)
        return [self._prediction(*each) for each in zip(shown, map(float, sureness), strict=True)]

    def _prediction(self, probabilities: np.ndarray, confidence: float) -> FacePrediction:
        sure = confidence >= self.threshold
        return FacePrediction(
            box=None,
            label=self.labels[int(probabilities.argmax())] if sure else None,
            confidence=confidence,
            probabilities=dict(zip(self.labels, map(float, probabilities), strict=True)),
            reason=None if sure else NEUTRAL_OR_MIXED,
        )


def _load_pickled(
    folder: str | None, repo_id: str | None, revision: str | None, description: Description
) -> EmotionClassifier:
    """Load the model of a pickled classifier, on the computer that pickled it or on another one."""
    if folder and Path(folder).is_dir():
        # On the computer that pickled it, no process needs to ask the Hub.
        saved = load_folder(Path(folder), model_name=repo_id or folder, revision=revision)
    elif folder is None or repo_id:
        saved = load(repo_id, revision=revision)
    else:
        raise ModelLoadError(
            f"The folder {folder} of a pickled model is not on this computer, or not any more. "
            "Copy it there, or publish the model and load it as owner/name, which every computer can."
        )
    classifier = EmotionClassifier.of(saved)
    if classifier.description.files != description.files:
        raise ModelLoadError(
            f"The model in {classifier.folder} is not the one that was pickled: it was saved anew since, or "
            "this computer has another version of it. Load it again before you hand it on."
        )
    # Changes in memory, such as another threshold, are part of the pickle.
    classifier.description = description
    return classifier
