"""Another model for one visitor."""

import gradio as gr
import pytest

from emotion import EmotionClassifier
from emotion.web import model_tab


@pytest.fixture
def model(session):
    with gr.Blocks():
        return model_tab.Model(model_tab.build(session), session, gr.State(), gr.HTML())


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
    assert list(shown) == [model.tab.message]
    assert "owner/name" in shown[model.tab.message]


def test_a_visitors_model_from_the_hub_is_loaded_without_the_servers_token(model, hub, trained_model):
    hub.sign_in()
    EmotionClassifier.from_pretrained(trained_model).push_to_hub("user/public")
    EmotionClassifier.from_pretrained(trained_model).push_to_hub("user/secret", private=True)
    shown = model.load("user/public")
    assert shown[model.own].model_name == "user/public"
    assert "user/public" in shown[model.title]
    assert "Only you" in shown[model.tab.message]
    assert model.session.classifier.model_name == "embedded default"
    assert list(model.load("user/secret")) == [model.tab.message]
    assert model.go_back()[model.own] is None
