"""What every handler asks the service for."""

import contextlib
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from emotion import InvalidImageError, ModelLoadError
from emotion.model.loading import EMBEDDED
from emotion.untrusted.networks import load_visitors_model
from emotion.vision.images import Picture
from emotion.web.components import at_shown_size
from emotion.web.service import Limits, Service
from tests.app_process import EXAMPLES
from tests.web.faces import face

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("content", [b"", b"text", b"\xff\xd8\xff\xe0 not really"])
def test_no_message_names_a_file_of_the_server(service, tmp_path, content):
    path = tmp_path / "portrait.jpg"
    path.write_bytes(content)
    with pytest.raises(InvalidImageError, match=r"^The (file|picture) ") as refused:
        service.open_picture(path)
    assert str(tmp_path) not in str(refused.value)
    path.unlink()
    with pytest.raises(InvalidImageError, match=r"^The file is no longer here\. Send it again\.$"):
        service.open_picture(path)


def test_a_visitor_without_a_model_of_their_own_gets_the_hosts(service):
    assert service.classifier_for(None) is service.classifier
    own = SimpleNamespace(network=None)
    assert service.classifier_for(service.keep_model(own)) is own


def test_a_model_that_was_forgotten_is_not_replaced_in_silence(service):
    kept = service.keep_model(SimpleNamespace(network=None))
    others = [service.memory.keep(number, service.limits.remembered_bytes // 2) for number in range(2)]
    assert len(others) == 2
    with pytest.raises(ModelLoadError, match=r"was forgotten.*Load it again on the Model tab"):
        service.classifier_for(kept)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="counts processes as Linux lists them")
def test_an_evicted_model_of_a_visitor_starts_again_when_it_is_asked_again(service):
    few = Service(service.classifier, examples=EXAMPLES, limits=Limits(visitor_models=1))
    happy = EXAMPLES / "2-happy.jpg"
    expected = service.classifier.predict(happy)
    kept = []
    for _ in range(2):
        kept.append(few.keep_model(load_visitors_model(EMBEDDED, seconds=60)))
        assert few.classifier_for(kept[-1]).predict(happy) == expected
        assert running_networks() == 1
    assert few.classifier_for(kept[0]).predict(happy) == expected
    assert running_networks() == 1
    few.classifier_for(kept[0]).close()
    assert running_networks() == 0


def running_networks():
    """Return how many processes of this one run a network; a thread or a child may end meanwhile."""
    found = 0
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in (task / "children").read_text().split():
                found += "emotion.untrusted.networks" in Path("/proc", child, "cmdline").read_text()
    return found


def test_a_large_picture_is_shown_small_and_its_faces_with_it(service, tmp_path):
    path = tmp_path / "large.jpg"
    Image.new("RGB", (4000, 3000)).save(path)
    picture = service.open_picture(path)
    pixels, (shown,) = at_shown_size(picture, [face(box=(1000, 2000, 400, 200))], 400)
    assert pixels.shape == (300, 400, 3)
    assert shown.box == (100, 200, 40, 20)


def test_a_small_picture_is_shown_as_it_is():
    pixels = np.zeros((30, 40, 3), np.uint8)
    shown, faces = at_shown_size(Picture.of(pixels), [face()], 400)
    assert np.array_equal(shown, pixels)
    assert faces == [face()]
