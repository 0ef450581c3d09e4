"""Which model the host serves, and taking over its new commits while the app runs."""

import json
import time
from dataclasses import replace

import pytest

from emotion.errors import EmotionError
from emotion.model.loading import EMBEDDED, read_description
from emotion.web.host_model import Refresh, find_model, load_or_default, refresh_minutes
from emotion.web.service import Service
from tests.app_process import EXAMPLES

pytestmark = pytest.mark.slow

IN_SPACE = {"SPACE_ID": "user/demo", "SPACE_AUTHOR_NAME": "user"}


@pytest.fixture
def published(hub):
    """A Hub on which the user has a model of the usual name."""
    hub.add_repository("user/facial-emotion", EMBEDDED)
    hub.add_repository("user/other", EMBEDDED)
    return hub


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "embedded default"),
        ({"EMOTION_MODEL": ""}, "embedded default"),
        ({"EMOTION_MODEL": "user/other"}, "user/other"),
        ({**IN_SPACE, "EMOTION_MODEL": "user/other"}, "user/other"),
        (IN_SPACE, "user/facial-emotion"),
        ({"SPACE_ID": "user/demo"}, "user/facial-emotion"),
        ({"SPACE_ID": "somebody/demo", "SPACE_AUTHOR_NAME": "somebody"}, "embedded default"),
    ],
)
@pytest.mark.usefixtures("published")
def test_the_variable_comes_first_then_the_space_s_owner_then_the_embedded_one(environment, expected):
    _, classifier = find_model(environment)
    assert classifier.model_name == expected
    assert classifier.notice is None


@pytest.mark.usefixtures("published")
def test_a_named_model_that_cannot_be_had_is_told_on_the_page_and_in_the_terminal(caplog):
    _, classifier = find_model({"EMOTION_MODEL": "user/nothing"})
    assert "There is no user/nothing" in classifier.notice
    assert "Until then the embedded default model answers" in classifier.notice
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", classifier.notice)
    ]


@pytest.mark.parametrize(("text", "minutes"), [("", None), (" ", None), ("10", 10), ("1.5", 1.5)])
def test_minutes_between_two_looks(text, minutes):
    assert refresh_minutes({"EMOTION_REFRESH_MINUTES": text}) == minutes


@pytest.mark.parametrize("text", ["ten", "0", "-5", "0.5", "nan", "inf", "1e99"])
def test_minutes_that_make_no_sense_are_named(text):
    with pytest.raises(EmotionError, match=f"must be a number of minutes from 1, not '{text}'"):
        refresh_minutes({"EMOTION_REFRESH_MINUTES": text})


# Taking over


@pytest.fixture
def service(published) -> Service:
    _, classifier = find_model({"EMOTION_MODEL": "user/other"})
    assert classifier.revision == published.repository("user/other").branches["main"].sha
    return Service(classifier, examples=EXAMPLES)


def commit_threshold(hub, threshold: float) -> str:
    """Commit a model that differs in its threshold; return the commit."""
    description = read_description(EMBEDDED)
    calibration = replace(description.calibration, threshold=threshold)
    changed = replace(description, calibration=calibration).to_dict()
    return hub.add_commit(hub.repository("user/other"), {"emotion.json": json.dumps(changed).encode()}).sha


def test_a_new_commit_answers_from_the_next_request_on(service, published):
    old = service.classifier
    refresh = Refresh(service, "user/other")

    refresh.look()
    assert service.classifier is old

    commit = commit_threshold(published, 0.99)
    refresh.look()
    assert (service.classifier.revision, service.classifier.threshold) == (commit, 0.99)
    assert refresh.problem is None


def test_a_commit_that_does_not_work_changes_nothing_and_is_told_once(service, published, caplog):
    old = service.classifier
    refresh = Refresh(service, "user/other")
    published.add_commit(published.repository("user/other"), {"model.tflite": b"TFL3 of another kind"})

    for _ in range(2):
        refresh.look()

    assert service.classifier is old
    assert "this one still answers" in refresh.problem
    (logged,) = [record.getMessage() for record in caplog.records]
    assert logged.startswith("user/other: no newer commit is taken over: model.tflite in ")
    assert "hub" not in refresh.problem, "visitors need not know where files lie"

    commit_threshold(published, 0.99)
    published.add_commit(
        published.repository("user/other"), {"model.tflite": (EMBEDDED / "model.tflite").read_bytes()}
    )
    refresh.look()
    assert (service.classifier.threshold, refresh.problem) == (0.99, None)


def test_a_hub_that_does_not_answer_changes_nothing(service, published, caplog):
    old = service.classifier
    refresh = Refresh(service, "user/other")
    published.refuse("GET /api/models", 503)
    refresh.look()
    assert service.classifier is old
    assert refresh.problem
    assert "The Hub cannot be reached (HTTP 503)" in caplog.text


def test_a_pinned_revision_stays(service, published):
    old = service.classifier
    commit_threshold(published, 0.99)
    Refresh(service, f"user/other@{old.revision}").look()
    assert service.classifier is old


def test_the_embedded_model_gives_way_as_soon_as_the_named_one_can_be_had(hub):
    _, classifier = find_model({"EMOTION_MODEL": "user/late"})
    service = Service(classifier, examples=EXAMPLES)
    hub.add_repository("user/late", EMBEDDED)
    Refresh(service, "user/late").look()
    assert service.classifier.model_name == "user/late"
    assert service.classifier.notice is None


def test_it_looks_by_itself_and_survives_whatever_goes_wrong(service, published):
    refresh = Refresh(service, "user/other")
    published.impersonate("GET /api/models")
    refresh.start(0.02)
    wait_until(lambda: refresh.problem)
    published.heal()
    commit = commit_threshold(published, 0.99)
    wait_until(lambda: service.classifier.revision == commit)
    refresh.stop()


def wait_until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("environment", [{}, {"EMOTION_MODEL": str(EMBEDDED)}])
def test_a_model_that_is_not_on_the_hub_has_no_commits_to_look_for(environment, caplog):
    service = Service.start({**environment, "EMOTION_REFRESH_MINUTES": "5"}, examples=EXAMPLES)
    assert service.refresh is None
    assert "does nothing: the model does not come from the Hub" in caplog.text


def test_an_app_gets_the_default_and_a_notice_when_its_model_is_missing(tmp_path):
    classifier = load_or_default(str(tmp_path / "nowhere"))
    assert classifier.model_name == "embedded default"
    assert "nowhere" in classifier.notice
    assert "embedded default" in classifier.notice
    assert find_model({})[1].notice is None
