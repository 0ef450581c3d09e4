"""What the tests of the page share: a session with the embedded model."""

from collections.abc import Iterator

import pytest

from emotion import EmotionClassifier
from emotion.vision.decoding import PictureDecoder
from emotion.web.session import Session
from tests.app_process import EXAMPLES


@pytest.fixture(scope="session")
def decoder() -> Iterator[PictureDecoder]:
    """Processes that open pictures; starting one takes longer than most tests."""
    decoder = PictureDecoder()
    yield decoder
    decoder.close()


@pytest.fixture
def session(decoder: PictureDecoder) -> Session:
    """One app's session, as `app.py` makes it."""
    session = Session(EmotionClassifier.from_pretrained(), examples=EXAMPLES)
    session.decoder = decoder
    return session
