"""The Live tab: faces in front of the camera, followed in the visitor's browser.

The page is the static one's (`browser/page/live.js`). The engine answers on the visitor's device; where it
cannot, here are the server's answers, which the page asks for frame by frame.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

import gradio as gr

from emotion.errors import EmotionError
from emotion.model.classifier import EmotionClassifier
from emotion.video.follow import answers_and_looks
from emotion.vision.faces import detect_faces_in_frame
from emotion.web.browser.files import PAGE
from emotion.web.browser.settings import settings
from emotion.web.browser.words import worded
from emotion.web.components import SHOWN_SIDE, bytes_of
from emotion.web.inside.queue import CAMERAS
from emotion.web.language import LATER, words_of
from emotion.web.memory import Kept
from emotion.web.photo import Photo
from emotion.web.service import Service
from emotion.web.tab import PRIVATE, SILENT, Page, Tab, Update, told

START = Path(__file__).with_name("start_live.js")
# Of the numbers that describe a look: they are compared, not shown.
LOOK_DIGITS = 3


class Live(Tab):
    """The tab with the camera."""

    id = "live"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        script = Template(START.read_text("utf-8")).substitute(
            address=service.device.address,
            on_device=json.dumps(service.device.with_model),
            minutes=service.limits.live_minutes,
        )
        # Its value is what the page was answered last.
        self.page = gr.HTML(
            html_template=worded((PAGE / "live.html").read_text("utf-8"), LATER),
            js_on_load=script,
            apply_default_css=False,
            elem_id="live-page",
            elem_classes="em-own",
        )

    def wire(self, page: Page) -> None:
        """Connect the events; a moment is shown in the Photo tab."""
        # The next frame may come before Gradio has noted the end of the one before.
        self.page.frame(
            self.answer,
            page.own,
            self.page,
            trigger_mode="multiple",
            concurrency_limit=self.service.limits.live_visitors,
            concurrency_id=CAMERAS,
            **SILENT,
        )
        page.own.change(self.choose, page.own, self.page, **SILENT)
        self.bar = page.bar
        [self.photo] = [tab for tab in page.tabs if isinstance(tab, Photo)]
        self.page.moment(self.take_over, page.own, [self.bar, *self.photo.outputs], **PRIVATE)

    def choose(self, own: Kept[EmotionClassifier] | None) -> dict[str, bool]:
        """Tell the page whether the visitor has a model of their own, which runs here alone."""
        return {"own": own is not None}

    def answer(
        self, own: Kept[EmotionClassifier] | None, event: gr.EventData, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Answer for one frame and forget it; the page follows the faces from frame to frame."""
        asked = {"id": told(event, "id")}
        try:
            picture = self.service.open_picture(bytes_of(told(event, "picture"))).shown(SHOWN_SIDE).pixels
            classifier = self.service.classifier_for(own)
            found = detect_faces_in_frame(picture, limit=self.service.limits.live_faces)
            predictions, looks = answers_and_looks(classifier, picture, found)
        except EmotionError as error:
            return {**asked, "problem": words_of(request).error(error)}
        return {
            **asked,
            "faces": [face.to_dict() for face in predictions],
            "looks": [look.round(LOOK_DIGITS).tolist() for look in looks],
            "settings": settings(classifier),
        }

    def take_over(
        self, own: Kept[EmotionClassifier] | None, event: gr.EventData, request: gr.Request | None = None
    ) -> Update:
        """Open the Photo tab and answer for the picture of a moment there."""
        answer = self.photo.show_source(bytes_of(told(event, "picture")), own, words_of(request))
        return {self.bar: gr.update(selected="photo"), **answer}
