"""The Model tab: what is known about the model that answers, and loading another one for one visitor."""

from __future__ import annotations

import gradio as gr

from emotion.errors import EmotionError
from emotion.model.classifier import EmotionClassifier
from emotion.web.html.messages import header, model_line, problem
from emotion.web.html.report import model_card, model_summary
from emotion.web.language import ENGLISH, LATER, Words, words_of
from emotion.web.service import Service
from emotion.web.tab import ANNOUNCED, PRIVATE, PROGRESS, SILENT, Page, Tab, Update

# Characters that are shown of a name.
LONGEST_REFERENCE = 100


class Model(Tab):
    """The tab about the model that answers."""

    id = "model"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.report = gr.HTML(model_summary(service.classifier, LATER), elem_id="report")
        with gr.Group():
            self.reference = gr.Textbox(
                label=LATER("model.try"),
                placeholder="owner/name",
                max_lines=1,
                elem_id="reference",
            )
            with gr.Row():
                self.loads = gr.Button(LATER("model.load"), variant="primary", elem_id="model-load")
                self.returns = gr.Button(LATER("model.default"), elem_id="model-default")
        self.message = gr.HTML(elem_id="model-message", js_on_load=ANNOUNCED)
        with gr.Accordion(LATER("model.card"), open=False):
            self.card = gr.HTML(model_card(service.classifier.card, LATER), elem_id="card")

    def wire(self, page: Page) -> None:
        """Connect the events; the heading of the page names the model that answers."""
        self.own, self.heading = page.own, page.heading
        outputs = [self.own, self.heading, self.message, self.report, self.card]
        gr.on([self.loads.click, self.reference.submit], self.load, self.reference, outputs, **PRIVATE)
        self.returns.click(self.go_back, outputs=outputs, **PRIVATE)
        if self.service.refresh:
            # The page was built when the app started; the model may have changed since.
            page.blocks.load(self.show_newest, outputs=outputs, queue=False, **SILENT)

    def load(
        self,
        reference: str | None,
        request: gr.Request | None = None,
        progress: gr.Progress = PROGRESS,
    ) -> Update:
        """Load another model from the Hub for this visitor alone."""
        say = words_of(request)
        reference = (reference or "").strip()
        progress(0, desc=say("model.loading", name=reference[:LONGEST_REFERENCE]))
        try:
            classifier = self.service.load_for_visitor(reference)
        except EmotionError as error:
            return {self.message: problem(f"{say.error(error)} {say('model.until')}", say)}
        return {
            self.own: self.service.keep_model(classifier),
            **self._shown(classifier, say("model.only-you"), say),
        }

    def go_back(self, request: gr.Request | None = None) -> Update:
        """Go back to the host's model."""
        return {self.own: None, **self._shown(self.service.classifier, say=words_of(request))}

    def show_newest(self, request: gr.Request | None = None) -> Update:
        """Show the host's model as it is now, and why no newer one answers where that failed."""
        refresh = self.service.refresh
        trouble = problem(refresh.problem, words_of(request)) if refresh and refresh.problem else ""
        return {**self.go_back(request), self.message: trouble}

    def _shown(
        self, classifier: EmotionClassifier, notice: str | None = None, say: Words = ENGLISH
    ) -> Update:
        """Show what is known about a model."""
        return {
            self.heading: header(classifier, notice, say),
            self.message: model_line(classifier, notice, say),
            self.report: model_summary(classifier, say),
            self.card: model_card(classifier.card, say),
        }
