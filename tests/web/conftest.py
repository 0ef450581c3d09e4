"""What the tests of the page share: a service with the embedded model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from emotion import EmotionClassifier
from emotion.untrusted.pictures import PictureDecoder
from tests.app_process import EXAMPLES

if TYPE_CHECKING:
    from emotion.web.service import Service


@pytest.fixture(scope="session")
def decoder() -> Iterator[PictureDecoder]:
    """Processes that open pictures; starting one takes longer than most tests."""
    decoder = PictureDecoder()
    yield decoder
    decoder.close()


@pytest.fixture
def service(decoder: PictureDecoder) -> Service:
    """One app's service, as `app.py` makes it."""
    # Gradio takes longer to import than what stands without it takes to test.
    from emotion.web.service import Service

    service = Service(EmotionClassifier.from_pretrained(), examples=EXAMPLES)
    service.decoder = decoder
    return service
