"""A pull comes to an end, whatever the Hub does, with a message or with the copy on this computer."""

import pytest

from emotion.errors import ModelLoadError
from emotion.model.pull import pull
from emotion.untrusted.pulls import pull_within
from tests.hub_server import WRITE_TOKEN, HubServer
from tests.model.test_hub import PUBLISHED, content_of

pytestmark = pytest.mark.slow

SOON = 3  # seconds; a pull that ends on its own takes one


@pytest.fixture
def published(hub: HubServer) -> HubServer:
    """A Hub that already has the model user/model."""
    hub.add_repository("user/model", PUBLISHED)
    return hub


def test_a_model_arrives_as_without_a_deadline(published: HubServer):
    published.add_repository("user/private", PUBLISHED, private=True)
    snapshot = pull_within(60, "user/private", token=WRITE_TOKEN)
    assert content_of(snapshot.folder) == PUBLISHED
    assert snapshot == pull("user/private", token=WRITE_TOKEN)


def test_a_refusal_says_the_same_as_without_a_deadline(published: HubServer):
    with pytest.raises(ModelLoadError, match=r"There is no user/nothing on the Hub"):
        pull_within(60, "user/nothing")
    assert published.asked("GET /api/models/user/nothing")


@pytest.mark.parametrize(
    ("fault", "pattern"),
    [("stall", "GET /api/models"), ("drip", "GET /storage"), ("overflow", "GET /api/models")],
)
def test_a_hub_that_does_not_come_to_an_end_is_given_up(published: HubServer, fault: str, pattern: str):
    getattr(published, fault)(pattern)
    with pytest.raises(
        ModelLoadError, match=r"did not hand over|broke off|failed|cannot be reached"
    ) as error:
        pull_within(SOON, "user/model")
    assert "again" in str(error.value)
    published.heal()
    assert content_of(pull_within(60, "user/model").folder) == PUBLISHED


def test_a_hub_that_fails_again_and_again_is_given_up(published: HubServer):
    published.refuse("HEAD .*model.tflite", 503)
    with pytest.raises(ModelLoadError, match=r"within 3 seconds.*no complete copy of user/model.*try again"):
        pull_within(SOON, "user/model")


def test_a_whole_copy_on_this_computer_is_good_enough(published: HubServer):
    online = pull("user/model")
    published.drip("GET /api/models")
    offline = pull_within(SOON, "user/model")
    assert offline.folder == online.folder
    assert offline.offline
