"""The errors a person can act on; each message is plain words and ends with what to do next."""

from collections.abc import Sequence

# Characters of another library's message inside one of ours.
LONGEST_QUOTE = 300


class EmotionError(Exception):
    """Base of every error that this package raises on purpose; its message is for people."""


class InvalidImageError(EmotionError, ValueError):
    """The input is not a picture that can be classified."""


class InvalidVideoError(EmotionError, ValueError):
    """The input is not a clip that can be annotated."""


class DataError(EmotionError, ValueError):
    """The labelled pictures cannot be trained or evaluated on."""


class ModelLoadError(EmotionError):
    """A saved model cannot be found, read or trusted."""


class PublishError(EmotionError):
    """A saved model could not be published; it is still complete on disk.

    Parameters
    ----------
    message : str
        The cause, and what to do about it.
    also : sequence of str
        Options of `train.py` with which it would have been published.
    """

    def __init__(self, message: str, *, also: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.also = also


class TrainingError(EmotionError):
    """A training run cannot begin or go on; what it had saved before is untouched."""


class DivergedError(TrainingError):
    """The loss of a training run is no number any more."""


def in_one_line(error: BaseException | str) -> str:
    """Return what a library said, which may be a page, as a part of a message: one line, not too long."""
    said = " ".join(str(error).split()).rstrip(".")
    return said if len(said) <= LONGEST_QUOTE else said[: LONGEST_QUOTE - 1] + "…"
