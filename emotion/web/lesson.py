"""What a visitor teaches the model, as it is kept in memory: numbers and small portraits, no pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotion.errors import InvalidImageError
from emotion.model.classifier import EmotionClassifier
from emotion.predictions.face import NEUTRAL_OR_MIXED, FacePrediction
from emotion.teaching.teach import Teacher, taught_names
from emotion.vision.crop import crop_square
from emotion.vision.images import Picture
from emotion.web.components import SHOWN_SIDE, data_url
from emotion.web.html.answer import explain_reason
from emotion.web.html.messages import NO_FACE
from emotion.web.session import Session
from emotion.web.shown import at_shown_size, place_of

# Pixels of a snapshot as the page shows it.
THUMBNAIL_SIDE = 48


@dataclass(frozen=True)
class Snapshot:
    """What is kept of one picture.

    Attributes
    ----------
    shown : str
        The expression.
    features : numpy.ndarray
        ``float32``, shape (passes, features): what the network says of the face before its last layer.
    portrait : str
        The face, small, as a data URL.
    """

    shown: str
    features: np.ndarray
    portrait: str


@dataclass(frozen=True)
class Lesson:
    """What the tab remembers for its visitor.

    Attributes
    ----------
    snapshots : tuple of Snapshot
    teacher : Teacher or None
        Of the model that the snapshots are for; the host may serve another one meanwhile.
    taught : EmotionClassifier or None
        What that model has become.
    """

    snapshots: tuple[Snapshot, ...] = ()
    teacher: Teacher | None = None
    taught: EmotionClassifier | None = None

    @property
    def size(self) -> int:
        """About what it takes, in bytes; the network itself is the host's."""
        heads = self.teacher.network.head.size if self.teacher else 0
        return heads + sum(snapshot.features.nbytes + len(snapshot.portrait) for snapshot in self.snapshots)

    def names(self, session: Session) -> tuple[str, ...]:
        """Return what can be taught: the model of the snapshots decides, or the one that is served now."""
        return taught_names(self.teacher.classifier if self.teacher else session.classifier)


def take_snapshot(session: Session, lesson: Lesson, source: bytes | Path, shown: str) -> Snapshot:
    """Keep what a lesson needs of a picture.

    Raises
    ------
    InvalidImageError
        If there is no face in it that can be judged, or `shown` is nothing that can be taught.
    """
    if lesson.teacher is None or shown not in lesson.names(session):
        raise InvalidImageError("Choose one of the expressions that are shown.")
    picture, face = find_face(session, lesson.teacher, source)
    features = lesson.teacher.features(lesson.teacher.classifier.crop(picture, place_of(face)))
    return Snapshot(shown, features, portrait(picture, face, THUMBNAIL_SIDE))


def find_face(session: Session, teacher: Teacher, source: bytes | Path) -> tuple[Picture, FacePrediction]:
    """Return a picture and the largest face in it, as the model answers before any lesson.

    Raises
    ------
    InvalidImageError
        If there is no face that can be judged.
    """
    picture = session.open_picture(source)
    faces = teacher.classifier.predict(picture, limit=1)
    if not faces:
        raise InvalidImageError(NO_FACE)
    if faces[0].reason not in (None, NEUTRAL_OR_MIXED):
        raise InvalidImageError(explain_reason(faces[0].reason))
    return picture, faces[0]


def portrait(picture: Picture, face: FacePrediction, side: int) -> str:
    """Return a face, `side` pixels wide, as a data URL."""
    pixels, [shown] = at_shown_size(picture, [face], SHOWN_SIDE)
    return data_url(crop_square(pixels, place_of(shown).box, size=side, channels=3))
