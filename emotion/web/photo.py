"""The Photo tab, for people and programs: one picture, its faces, and why the model answers what it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from emotion.drawing import annotate
from emotion.errors import EmotionError
from emotion.model.classifier import EmotionClassifier
from emotion.model.explain import HOW_TO_READ, heatmap, hottest_part, overlay
from emotion.predictions.display import alternatives
from emotion.predictions.face import FacePrediction
from emotion.vision.crop import crop_face, crop_square
from emotion.vision.images import Picture, open_image
from emotion.web.camera import front_or_rear, webcam_options, wire_camera
from emotion.web.components import (
    SHOWN_SIDE,
    MemoryGallery,
    MemoryImage,
    as_jpeg,
    at_shown_size,
    data_url,
    place_of,
)
from emotion.web.html.answer import evidence, face_cards, verdict
from emotion.web.html.messages import no_face, problem, welcome
from emotion.web.inside.uploads import deleting
from emotion.web.memory import Kept
from emotion.web.service import Service
from emotion.web.tab import PRIVATE, SILENT, Page, Tab, Update, chosen, point, state

SELECT_CARD = Path(__file__).with_name("select_card.js").read_text("utf-8")

# Pixels: the pictures of this tab and the camera's; portraits beside answers and below the heatmap; examples.
PICTURE_HEIGHT = 440
PORTRAIT_SIDE = 128
EXPLAINED_SIDE = 320
EXAMPLE_SIDE = 240
# The button for the heatmap, before and after it is pressed.
WHY, HIDE = "Why?", "Hide the explanation"
# Pixels, width and height of a snapshot.
CAMERA = 1920, 1440

FORGOTTEN = (
    "This picture was forgotten. Pictures are kept for an hour, or for less when there are many visitors. "
    "Add it again."
)


@dataclass(frozen=True)
class PhotoAnswer:
    """What the Photo tab remembers for its visitor.

    The picture is kept as a JPEG at the size that is shown, twenty times smaller than its pixels; boxes and
    eyes of `faces` are in its pixels, and `crops` are what the network saw. "Why?" asks the `classifier` that
    gave the answer, even if the host serves another one by then.
    """

    jpeg: bytes
    faces: tuple[FacePrediction, ...]
    crops: tuple[np.ndarray, ...]
    classifier: EmotionClassifier
    selected: int = 0

    @property
    def size(self) -> int:
        """Bytes of its pictures."""
        return len(self.jpeg) + sum(crop.nbytes for crop in self.crops)

    @property
    def picture(self) -> np.ndarray:
        """The picture that is shown, decoded: ``uint8`` (H, W, 3)."""
        return open_image(self.jpeg)

    @property
    def face(self) -> FacePrediction:
        """The selected face."""
        return self.faces[self.selected]


class Photo(Tab):
    """The tab for one picture, and the endpoint for programs."""

    id, title = "photo", "Photo"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.answer = state(service)
        self.forgets = [self.answer]
        with gr.Row(equal_height=False):
            with gr.Column():
                self._lay_out_pictures()
            with gr.Column():
                self._lay_out_answer()
                gr.Markdown("Or click an example:")
                self.examples = MemoryGallery(
                    example_thumbnails(service.examples),
                    show_label=False,
                    columns=5,
                    height="auto",
                    allow_preview=False,
                    interactive=False,
                    object_fit="cover",
                    buttons=[],
                    elem_id="examples",
                )

    def _lay_out_pictures(self) -> None:
        self.picture = MemoryImage(
            label="Your picture",
            sources=["upload", "webcam", "clipboard"],
            height=PICTURE_HEIGHT,
            buttons=["fullscreen"],
            placeholder="# Drop a photo here\nor click to choose one",
            webcam_options=webcam_options(*CAMERA),
            elem_id="photo",
            alt_text="Your picture",
        )
        self.boxed = MemoryImage(
            show_label=False,
            interactive=False,
            visible=False,
            height=PICTURE_HEIGHT,
            buttons=["download", "fullscreen"],
            elem_id="boxed",
            alt_text="Your picture with a numbered box around every face",
        )
        self.facing = front_or_rear("photo-facing")
        self.another = gr.Button("Another picture", visible=False, elem_id="another")

    def _lay_out_answer(self) -> None:
        self.verdict = gr.HTML(welcome(), elem_id="verdict")
        self.probabilities = gr.Label(
            label="Probabilities", show_heading=False, visible=False, elem_id="probabilities"
        )
        self.cards = gr.HTML(visible=False, elem_id="cards", js_on_load=SELECT_CARD)
        self.why = gr.Button(WHY, visible=False, elem_id="why")
        with gr.Column(visible=False) as self.reasons:
            self.heat = MemoryImage(
                label="Where the model looked", interactive=False, height=260, buttons=[], elem_id="heat"
            )
            self.heat_words = gr.HTML()

    @property
    def outputs(self) -> list[Any]:
        """What an answer changes."""
        return [
            *(self.picture, self.boxed, self.another, self.answer, self.verdict),
            *(self.probabilities, self.cards, self.why, self.reasons),
        ]

    def wire(self, page: Page) -> None:
        """Connect the events."""
        self.picture.upload(self.show_upload, [self.picture, page.own], self.outputs, **PRIVATE)
        # Not queued: the buttons for another source clear the page before they bring a picture.
        clears = [self.picture.clear, self.another.click]
        gr.on(clears, self.clear, outputs=self.outputs, queue=False, **SILENT)
        wire_camera(self.facing, self.picture, CAMERA)
        self.examples.select(self.show_example, page.own, self.outputs, **PRIVATE)
        self.boxed.select(self.select_point, self.answer, self.outputs, **SILENT)
        self.cards.select(self.select_card, self.answer, self.outputs, **SILENT)
        explained = [*self.outputs, self.heat, self.heat_words]
        pressed = [self.answer, self.why]
        self.why.click(self.explain, pressed, explained, show_progress_on=self.verdict, **PRIVATE)
        asked = gr.Button(visible=False).click
        asked(
            *(self.classify, self.picture, gr.JSON(visible=False)),
            api_name="classify",
            api_description=tool_description(self.service.classifier.labels),
        )

    def show_upload(self, source: bytes | Path | None, own: Kept[EmotionClassifier] | None) -> Update:
        """Answer for what the visitor uploaded, dropped, pasted or photographed."""
        with deleting(source):
            return self._show_source(source, own)

    def show_example(self, own: Kept[EmotionClassifier] | None, event: gr.EventData) -> Update:
        """Answer for the example that was clicked."""
        examples = self.service.examples
        return self._show_source(examples[chosen(event, len(examples))], own)

    def _show_source(self, source: bytes | Path | None, own: Kept[EmotionClassifier] | None) -> Update:
        try:
            return self.show(self.service.open_picture(source), own)
        except EmotionError as error:
            return {**self.clear(), self.verdict: problem(str(error))}

    def show(self, picture: Picture, own: Kept[EmotionClassifier] | None) -> Update:
        """Answer for a picture."""
        classifier = self.service.classifier_for(own)
        opened, places = classifier.locate(picture)
        found = classifier.predict_located(opened, places)
        pixels, faces = at_shown_size(picture, found, SHOWN_SIDE)
        if not faces:
            return {**self.clear(), self.picture: pixels, self.verdict: no_face()}
        crops = tuple(classifier.crop(opened, place) for place in places)
        return self._answered(PhotoAnswer(as_jpeg(pixels), tuple(faces), crops, classifier), pixels)

    def select_card(self, kept: Kept[PhotoAnswer] | None, event: gr.EventData) -> Update:
        """Select the face whose card was clicked."""
        answer = self.service.memory.recall(kept)
        if answer is None:
            return self._forgotten()
        return self._answered(replace(answer, selected=chosen(event, len(answer.faces))))

    def select_point(self, kept: Kept[PhotoAnswer] | None, event: gr.EventData) -> Update:
        """Select the face that was clicked in the picture, the smallest one where boxes overlap."""
        answer = self.service.memory.recall(kept)
        if answer is None:
            return self._forgotten()
        across, down = point(event)
        hits = [
            (width * height, index)
            for index, (x, y, width, height) in enumerate(place_of(face).box for face in answer.faces)
            if x <= across < x + width and y <= down < y + height
        ]
        if not hits:
            return {self.verdict: gr.skip()}
        return self._answered(replace(answer, selected=min(hits)[1]))

    def explain(self, kept: Kept[PhotoAnswer] | None, pressed: str = WHY) -> Update:
        """Show which parts of the selected face the answer rests on; hide them at the second press."""
        if pressed == HIDE:
            return {self.reasons: gr.update(visible=False), self.why: WHY}
        answer = self.service.memory.recall(kept)
        if answer is None:
            return self._forgotten()
        place = place_of(answer.face)
        best = max(answer.face.probabilities, key=answer.face.probabilities.__getitem__)
        try:
            classifier = self.service.ready(answer.classifier)
            warmth = heatmap(classifier, answer.crops[answer.selected], label=best)
        except EmotionError as error:
            return {self.verdict: problem(str(error))}
        portrait = crop_face(answer.picture, place, size=EXPLAINED_SIDE, channels=3)
        return {
            self.heat: gr.update(
                value=overlay(portrait, warmth),
                alt_text=f"Heatmap: “{best}” rests most {hottest_part(warmth)}",
            ),
            self.heat_words: evidence(best, hottest_part(warmth), HOW_TO_READ),
            self.reasons: gr.update(visible=True),
            self.why: HIDE,
        }

    # Gradio describes the argument of the MCP tool from this docstring, in this form.
    def classify(self, picture: bytes | Path | None) -> dict[str, Any]:
        """Answer a program; see `tool_description`.

        Args:
            picture: The picture to look at, of any usual format and orientation.
        """
        if picture is None:
            raise gr.Error("There is no picture. Send one as the first argument.", print_exception=False)
        classifier = self.service.classifier
        with deleting(picture):
            try:
                faces = classifier.predict(self.service.open_picture(picture))
            except EmotionError as error:
                raise gr.Error(str(error), print_exception=False) from error
        return {
            "model": classifier.model_name,
            "revision": classifier.revision,
            "faces": [face.to_dict() for face in faces],
        }

    def clear(self) -> Update:
        """Forget the picture and show the empty tab."""
        hidden = gr.update(visible=False)
        return {
            self.picture: gr.update(value=None, visible=True),
            self.boxed: gr.update(value=None, visible=False),
            self.another: hidden,
            self.answer: None,
            self.verdict: welcome(),
            self.probabilities: hidden,
            self.cards: hidden,
            self.why: hidden,
            self.reasons: hidden,
        }

    def _forgotten(self) -> Update:
        return {**self.clear(), self.verdict: problem(FORGOTTEN)}

    def _answered(self, answer: PhotoAnswer, picture: np.ndarray | None = None) -> Update:
        """Show the boxed picture instead of the empty one, and the answer for the selected face."""
        picture = answer.picture if picture is None else picture
        faces, selected, several = answer.faces, answer.selected, len(answer.faces) > 1
        portraits = [
            data_url(crop_square(picture, place_of(face).box, size=PORTRAIT_SIDE, channels=3))
            for face in faces
        ]
        return {
            self.picture: gr.update(value=None, visible=False),
            self.boxed: gr.update(
                value=annotate(picture, faces, selected=selected if several else None), visible=True
            ),
            self.another: gr.update(visible=True),
            self.answer: self.service.memory.keep(answer, answer.size),
            self.verdict: verdict(answer.face, selected + 1, len(faces), portraits[selected]),
            # Its bars add up to one; the confidence also counts that it may be no emotion at all.
            self.probabilities: gr.update(
                value=answer.face.probabilities,
                label=f"If it is {alternatives(answer.classifier.labels)}",
                visible=True,
            ),
            self.cards: gr.update(value=face_cards(faces, portraits, selected), visible=several),
            self.why: gr.update(value=WHY, visible=True),
            self.reasons: gr.update(visible=False),
        }


def tool_description(labels: Sequence[str]) -> str:
    """Describe the API and the MCP tool, for programs and assistants."""
    return (
        f"Find the faces in a picture and say how each one looks: {', '.join(labels)}, or not sure. "
        "Returns: the model, its revision, and for every face, largest first, its box (x, y, width, height "
        "in pixels of the upright picture), label (null when the model is not sure, with the reason), "
        "confidence and probabilities."
    )


def example_thumbnails(examples: Sequence[Path]) -> list[tuple[Image.Image, str]]:
    """Return small versions of the examples, captioned with their file names in words."""
    thumbnails = []
    for path in examples:
        image = Image.open(path).convert("RGB")
        image.thumbnail((EXAMPLE_SIDE, EXAMPLE_SIDE))
        thumbnails.append((image, path.stem.partition("-")[2].replace("-", " ")))
    return thumbnails
