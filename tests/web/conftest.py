"""What the tests of this room share: a session with the embedded model."""

import pytest

from emotion import EmotionClassifier
from emotion.web.session import Session
from tests.app_process import EXAMPLES


@pytest.fixture
def session() -> Session:
    """One app's session, as `app.py` makes it."""
    return Session(EmotionClassifier.from_pretrained(), examples=EXAMPLES)
