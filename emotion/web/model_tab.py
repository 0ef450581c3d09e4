"""The Model tab: what is known about the model that answers, and another one from the Hub for one visitor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from emotion.errors import EmotionError
from emotion.model.classifier import EmotionClassifier
from emotion.web.events import PRIVATE, PROGRESS, SILENT, Update
from emotion.web.html.messages import ONLY_YOU, header, model_line, problem
from emotion.web.html.report import model_card, model_summary
from emotion.web.session import Session

# Characters that are shown of a name.
LONGEST_REFERENCE = 100


@dataclass(frozen=True)
class ModelTab:
    """The components of the tab."""

    report: gr.HTML
    reference: gr.Textbox
    load: gr.Button
    back: gr.Button
    message: gr.HTML
    card: gr.HTML


def build(session: Session) -> ModelTab:
    """Lay out the tab with the host's model."""
    report = gr.HTML(model_summary(session.classifier), elem_id="report")
    with gr.Group():
        reference = gr.Textbox(
            label="Try another model from the Hugging Face Hub – for you alone",
            placeholder="owner/name or owner/name@revision",
            max_lines=1,
            elem_id="reference",
        )
        with gr.Row():
            load = gr.Button("Load it", variant="primary")
            back = gr.Button("Back to the default")
    message = gr.HTML(elem_id="model-message")
    with gr.Accordion("Model card", open=False):
        card = gr.HTML(model_card(session.classifier.card))
    return ModelTab(report=report, reference=reference, load=load, back=back, message=message, card=card)


def wire(tab: ModelTab, session: Session, own: gr.State, *, title: gr.HTML, page: gr.Blocks) -> None:
    """Connect the events; the title of the page names the model that answers."""
    model = Model(tab, session, own, title)
    gr.on([tab.load.click, tab.reference.submit], model.load, tab.reference, model.outputs, **PRIVATE)
    tab.back.click(model.go_back, outputs=model.outputs, **PRIVATE)
    if session.refresh:
        # What stands in the page is from the app's start; the model may be another one by now.
        page.load(model.show_newest, outputs=model.outputs, queue=False, **SILENT)


class Model:
    """The handlers of the tab."""

    def __init__(self, tab: ModelTab, session: Session, own: gr.State, title: gr.HTML) -> None:
        self.tab = tab
        self.session = session
        self.own = own
        self.title = title

    @property
    def outputs(self) -> list[Any]:
        """Whatever another model changes."""
        return [self.own, self.title, self.tab.message, self.tab.report, self.tab.card]

    def load(self, reference: str | None, progress: gr.Progress = PROGRESS) -> Update:
        """Load another model from the Hub for this visitor alone."""
        reference = (reference or "").strip()
        progress(0, desc=f"Loading {reference[:LONGEST_REFERENCE]}")
        try:
            classifier = self.session.load_for_visitor(reference)
        except EmotionError as error:
            return {self.tab.message: problem(f"{error} Until then, the model below goes on answering.")}
        return {self.own: self.session.keep_model(classifier), **self._shown(classifier, ONLY_YOU)}

    def go_back(self) -> Update:
        """Go back to the model that everybody gets."""
        return {self.own: None, **self._shown(self.session.classifier)}

    def show_newest(self) -> Update:
        """Show the host's model as it is now, and why no newer one answers where that failed."""
        refresh = self.session.refresh
        trouble = problem(refresh.problem) if refresh and refresh.problem else ""
        return {**self.go_back(), self.tab.message: trouble}

    def _shown(self, classifier: EmotionClassifier, notice: str | None = None) -> Update:
        """Show what is known about a model."""
        return {
            self.title: header(classifier, notice),
            self.tab.message: model_line(classifier, notice),
            self.tab.report: model_summary(classifier),
            self.tab.card: model_card(classifier.card),
        }
