"""Visitors never see what the host's token fetched, and what they fetch themselves takes a bounded place."""

import os
import time

import pytest
from huggingface_hub import constants

from emotion.errors import ModelLoadError
from emotion.model.description import KERAS_FILES
from emotion.model.pull import WITHOUT_TOKEN, make_room, pull
from emotion.untrusted.pulls import pull_within
from tests.hub_server import WRITE_TOKEN, HubServer
from tests.model.test_hub import PUBLISHED, UNREACHABLE, content_of

pytestmark = pytest.mark.slow

SERVED = {name: content for name, content in PUBLISHED.items() if name not in KERAS_FILES}


TROUBLE = UNREACHABLE | {
    "503": lambda hub: hub.refuse("", 503),
    "504 for the files alone": lambda hub: hub.refuse("/tree/|/resolve/", 504),
}


def prepared(hub: HubServer, token: str | None = None) -> HubServer:
    """A Hub whose host has pulled a private and a gated model with a token."""
    hub.add_repository("user/private", PUBLISHED, private=True)
    hub.add_repository("user/gated", PUBLISHED, gated=True)
    for name in ("user/private", "user/gated"):
        assert content_of(pull(name, token=token).folder) == PUBLISHED
    hub.requests.clear()
    return hub


@pytest.fixture
def host(hub: HubServer) -> HubServer:
    hub.sign_in()
    return prepared(hub)


def refuse_visitors(hub: HubServer) -> None:
    for name in ("user/private", "user/gated"):
        for revision in (None, "main", hub.repository(name).branches["main"].sha):
            for serving_only in (True, False):
                with pytest.raises(ModelLoadError):
                    pull(name, revision=revision, token=False, serving_only=serving_only)
    assert not [request for request in hub.requests if "authorization" in request.headers]


@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_visitor_gets_no_model_that_the_hosts_token_fetched(host: HubServer, trouble: str):
    TROUBLE[trouble](host)
    refuse_visitors(host)


def test_nor_where_the_token_is_in_the_environment(hub: HubServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    prepared(hub).refuse("", 503)
    refuse_visitors(hub)


def test_nor_where_the_token_came_as_an_argument(hub: HubServer):
    prepared(hub, WRITE_TOKEN).refuse("", 503)
    refuse_visitors(hub)


def test_a_visitor_gets_no_private_model_offline(host: HubServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert host
    for name in ("user/private", "user/gated"):
        with pytest.raises(ModelLoadError, match=r"HF_HUB_OFFLINE is set.*no complete copy"):
            pull(name, token=False, serving_only=True)
        with pytest.raises(ModelLoadError, match=r"HF_HUB_OFFLINE is set.*no complete copy"):
            pull_within(60, name, token=False, serving_only=True)


def test_a_visitors_pull_that_is_given_up_looks_in_the_visitors_cache_alone(host: HubServer):
    host.stall("")
    with pytest.raises(ModelLoadError, match=r"within 1 seconds.*no complete copy of user/private"):
        pull_within(1, "user/private", token=False, serving_only=True)


def test_files_that_stayed_behind_from_the_host_are_not_handed_out_between_two_questions(host: HubServer):
    """The first question is answered (the model was public for a moment), the next ones are not."""
    host.repository("user/private").private = host.repository("user/gated").gated = False
    host.refuse("GET .*/tree/|resolve", 401, "Invalid username or password.")
    for name in ("user/private", "user/gated"):
        with pytest.raises(ModelLoadError):
            pull(name, token=False, serving_only=True)


def test_the_host_still_gets_its_own_copy(host: HubServer):
    host.refuse("", 503)
    for name in ("user/private", "user/gated"):
        assert pull(name).offline


@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_visitor_gets_the_copy_that_a_visitor_fetched(hub: HubServer, trouble: str, tmp_path):
    hub.add_repository("user/model", PUBLISHED)
    hub.sign_in()
    online = pull("user/model", token=False, serving_only=True, cache_dir=tmp_path)
    assert content_of(online.folder) == SERVED
    assert not [request for request in hub.requests if "authorization" in request.headers]
    if trouble == "504 for the files alone":
        hub.refuse("/api/models", 504)
    TROUBLE[trouble](hub)
    offline = pull("user/model", token=False, serving_only=True, cache_dir=tmp_path)
    assert (offline.folder, offline.offline) == (online.folder, True)


def test_the_oldest_models_of_visitors_make_room_for_new_ones(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
):
    size = sum(map(len, SERVED.values()))
    monkeypatch.setattr("emotion.model.pull.WITHOUT_TOKEN_BYTES", 3 * size + 120_000)
    cache = hub.home / "hub" / WITHOUT_TOKEN
    hub.add_repository("user/host", PUBLISHED)
    pull("user/host")
    for number in range(5):
        # Each with content of its own.
        files = {name: content + b"%d" % number for name, content in PUBLISHED.items() if name != "README.md"}
        hub.add_repository(f"user/model{number}", files)
        pull(f"user/model{number}", token=False, serving_only=True)
        hour = time.time() - 3600 + number
        os.utime(cache / f"models--user--model{number}", (hour, hour))
    assert sorted(path.name for path in cache.glob("models--*")) == [
        f"models--user--model{number}" for number in (2, 3, 4)
    ]
    assert pull("user/host").folder.is_dir()


def test_a_model_that_was_just_pulled_stays(hub: HubServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("emotion.model.pull.WITHOUT_TOKEN_BYTES", 50)
    hub.add_repository("user/model", PUBLISHED)
    folder = pull("user/model", token=False, serving_only=True).folder
    cache = folder.parents[2]
    make_room(cache, 100)
    assert content_of(folder) == SERVED
    os.utime(folder.parents[1], (0, 0))
    make_room(cache, 100)
    assert not folder.exists()
