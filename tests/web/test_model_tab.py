"""Another model for one visitor, and a newer one for everybody."""

import gradio as gr
import pytest

from emotion import EmotionClassifier
from emotion.web.host_model import Refresh
from emotion.web.model_tab import Model
from emotion.web.page import build_app
from tests.web.tabs import wired

pytestmark = pytest.mark.slow


@pytest.fixture
def model(service):
    (tab,) = wired(service, Model)
    return tab


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "embedded",
        "emotion/pretrained",
        "tests/__init__.py",
        "../x/y",
        "/etc/passwd",
        "a/b/c",
        "a/b@",
        "~/x",
    ],
)
def test_visitors_cannot_open_folders_of_the_server(model, reference):
    shown = model.load(reference)
    assert list(shown) == [model.message]
    assert "owner/name" in shown[model.message]


def test_a_visitors_model_from_the_hub_is_loaded_without_the_servers_token(model, hub, trained_model):
    hub.sign_in()
    EmotionClassifier.from_pretrained(trained_model).push_to_hub("user/public")
    EmotionClassifier.from_pretrained(trained_model).push_to_hub("user/secret", private=True)
    shown = model.load("user/public")
    assert shown[model.own].value.model_name == "user/public"
    assert "user/public" in shown[model.heading]
    assert "Only you" in shown[model.message]
    assert model.service.classifier.model_name == "embedded default"
    assert list(model.load("user/secret")) == [model.message]
    assert model.go_back()[model.own] is None


def loads(service) -> list[gr.blocks.BlockFunction]:
    """What the page asks for as soon as it is opened."""
    return [
        event for event in build_app(service).fns.values() if ("load" in [name for _, name in event.targets])
    ]


def test_a_page_shows_the_model_that_answers_now_and_why_no_newer_one_does(model, hub):
    service = model.service
    assert not loads(service)
    service.refresh = Refresh(service, "user/nothing")
    assert len(loads(service)) == 2, "the tabs that name the model: its own, and the lesson"
    assert model.show_newest()[model.message] == ""
    hub.sign_in()
    service.refresh.look()
    shown = model.show_newest()
    assert "embedded default" in shown[model.heading]
    assert "The newest version of this model could not be loaded" in shown[model.message]
