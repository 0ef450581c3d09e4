"""The Photo tab, for people and programs: one picture, its faces, and why the model answers what it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from emotion.drawing import annotate, describe
from emotion.errors import EmotionError
from emotion.model.classifier import EmotionClassifier
from emotion.model.explain import heatmap, hottest_regions, overlay
from emotion.predictions.face import Box, FacePrediction
from emotion.vision.crop import crop_face, crop_square
from emotion.vision.images import Picture, open_image
from emotion.web.components import (
    SHOWN_SIDE,
    MemoryImage,
    as_jpeg,
    at_shown_size,
    data_url,
    place_of,
)
from emotion.web.html.answer import HEAT_SIDE, bars_panel, evidence, face_cards, verdict
from emotion.web.html.messages import no_face, problem, shown_picture, welcome
from emotion.web.inside.uploads import deleting
from emotion.web.language import DRAWN, ENGLISH, LATER, Words, table, words_of
from emotion.web.memory import Kept
from emotion.web.service import Service
from emotion.web.tab import ANNOUNCED, PRIVATE, SILENT, Page, Tab, Update, chosen, point, state
from emotion.web.zone import given_sources, zone

HERE = Path(__file__).parent
SELECT_CARD = (HERE / "select_card.js").read_text("utf-8")
SELECT_POINT = (HERE / "select_point.js").read_text("utf-8")
# Pixels: portraits beside answers; examples.
PORTRAIT_SIDE = 128
EXAMPLE_SIDE = 240


@dataclass(frozen=True)
class PhotoAnswer:
    """What the Photo tab remembers for its visitor.

    The picture is kept as a JPEG at the size that is shown, twenty times smaller than its pixels; boxes and
    eyes of `faces` are in its pixels, and `crops` are what the network saw. "Why?" asks the `classifier` that
    gave the answer, even if the host serves another one by then. `name` is that of the picture's file,
    without its ending.
    """

    jpeg: bytes
    faces: tuple[FacePrediction, ...]
    crops: tuple[np.ndarray, ...]
    classifier: EmotionClassifier
    name: str = "picture"
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

    id = "photo"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.answer = state(service)
        self.forgets = [self.answer]
        with gr.Row(equal_height=False):
            with gr.Column(elem_id="photo"):
                self.zone = zone(
                    service,
                    "photo-zone",
                    drop="photo.drop",
                    choose="photo.choose",
                    camera="photo.snapshot",
                )
                self.boxed = gr.HTML(elem_id="boxed", elem_classes="em-own", js_on_load=SELECT_POINT)
            with gr.Column():
                self._lay_out_answer()

    def _lay_out_answer(self) -> None:
        self.verdict = gr.HTML(welcome(LATER), elem_id="verdict", js_on_load=ANNOUNCED)
        self.bars = gr.HTML(elem_id="probabilities")
        self.cards = gr.HTML(elem_id="cards", js_on_load=SELECT_CARD)
        self.why = gr.Button(LATER("photo.why"), visible=False, elem_id="why")
        self.reasons = gr.HTML(elem_id="heat", js_on_load=ANNOUNCED)
        gr.HTML(f"<p>{LATER('photo.examples')}</p>")
        self.examples = gr.HTML(
            example_buttons(self.service.examples),
            elem_id="examples",
            elem_classes="em-own",
            js_on_load=SELECT_CARD,
        )

    @property
    def outputs(self) -> list[Any]:
        """What an answer changes."""
        return [self.boxed, self.answer, self.verdict, self.bars, self.cards, self.why, self.reasons]

    def wire(self, page: Page) -> None:
        """Connect the events."""
        self.zone.given(self.show_given, page.own, self.outputs, show_progress_on=self.verdict, **PRIVATE)
        # Not queued: it only empties the tab.
        self.boxed.another(self.clear, outputs=self.outputs, queue=False, **SILENT)
        self.examples.select(
            self.show_example, page.own, self.outputs, show_progress_on=self.verdict, **PRIVATE
        )
        self.boxed.point(self.select_point, self.answer, self.outputs, **SILENT)
        self.cards.select(self.select_card, self.answer, self.outputs, **SILENT)
        # Whether it is pressed follows from what it shows.
        pressed = [self.answer, self.reasons]
        self.why.click(self.explain, pressed, self.outputs, show_progress_on=self.verdict, **PRIVATE)
        asked = gr.Button(visible=False).click
        picture = MemoryImage(label="Picture", visible=False)
        asked(
            *(self.classify, picture, gr.JSON(visible=False)),
            api_name="classify",
            api_description=tool_description(self.service.classifier.labels),
        )

    def show_given(
        self,
        own: Kept[EmotionClassifier] | None,
        event: gr.EventData,
        request: gr.Request | None = None,
    ) -> Update:
        """Answer for what the visitor chose, dropped, pasted or photographed."""
        sources = given_sources(event)
        with deleting(*sources):
            return self.show_source(sources[0] if sources else None, own, words_of(request))

    def show_example(
        self,
        own: Kept[EmotionClassifier] | None,
        event: gr.EventData,
        request: gr.Request | None = None,
    ) -> Update:
        """Answer for the example that was clicked."""
        examples = self.service.examples
        return self.show_source(examples[chosen(event, len(examples))], own, words_of(request))

    def show_source(
        self, source: bytes | Path | None, own: Kept[EmotionClassifier] | None, say: Words = ENGLISH
    ) -> Update:
        """Answer for a picture that may be none."""
        try:
            return self.show(self.service.open_picture(source), own, say, name_of(source))
        except EmotionError as error:
            return {**self._emptied(say), self.verdict: problem(error, say)}

    def show(
        self,
        picture: Picture,
        own: Kept[EmotionClassifier] | None,
        say: Words = ENGLISH,
        name: str = "picture",
    ) -> Update:
        """Answer for a picture; one that is saved from the page is named after it."""
        classifier = self.service.classifier_for(own)
        opened, places = classifier.locate(picture)
        found = classifier.predict_located(opened, places)
        # Numbered as one reads.
        order = reading_order([place.box for place in places])
        pixels, faces = at_shown_size(picture, [found[index] for index in order], SHOWN_SIDE)
        if not faces:
            shown = shown_picture(data_url(pixels), say)
            return {**self._emptied(say), self.boxed: shown, self.verdict: no_face(say)}
        crops = tuple(classifier.crop(opened, places[index]) for index in order)
        return self._answered(PhotoAnswer(as_jpeg(pixels), tuple(faces), crops, classifier, name), say)

    def select_card(
        self, kept: Kept[PhotoAnswer] | None, event: gr.EventData, request: gr.Request | None = None
    ) -> Update:
        """Select the face whose card was clicked."""
        say = words_of(request)
        answer = self.service.memory.recall(kept)
        if answer is None:
            return self._forgotten(say)
        return self._answered(replace(answer, selected=chosen(event, len(answer.faces))), say)

    def select_point(
        self, kept: Kept[PhotoAnswer] | None, event: gr.EventData, request: gr.Request | None = None
    ) -> Update:
        """Select the face that was clicked in the picture, the smallest one where boxes overlap."""
        say = words_of(request)
        answer = self.service.memory.recall(kept)
        if answer is None:
            return self._forgotten(say)
        across, down = point(event)
        hits = [
            (width * height, index)
            for index, (x, y, width, height) in enumerate(place_of(face).box for face in answer.faces)
            if x <= across < x + width and y <= down < y + height
        ]
        if not hits:
            return {self.verdict: gr.skip()}
        return self._answered(replace(answer, selected=min(hits)[1]), say)

    def explain(
        self, kept: Kept[PhotoAnswer] | None, shown: str = "", request: gr.Request | None = None
    ) -> Update:
        """Show which parts of the selected face the answer rests on; hide them at the second press."""
        say = words_of(request)
        if shown:
            return {self.reasons: "", self.why: say("photo.why")}
        answer = self.service.memory.recall(kept)
        if answer is None:
            return self._forgotten(say)
        best = max(answer.face.probabilities, key=answer.face.probabilities.__getitem__)
        try:
            classifier = self.service.ready(answer.classifier)
            warmth = heatmap(classifier, answer.crops[answer.selected], label=best)
        except EmotionError as error:
            return {self.verdict: problem(error, say)}
        portrait = crop_face(answer.picture, place_of(answer.face), size=HEAT_SIDE, channels=3)
        heat = data_url(overlay(portrait, warmth))
        return {
            self.reasons: evidence(best, heat, hottest_regions(warmth), say),
            self.why: say("photo.hide"),
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

    def clear(self, request: gr.Request | None = None) -> Update:
        """Forget the picture and show the empty tab."""
        return self._emptied(words_of(request))

    def _emptied(self, say: Words) -> Update:
        return {
            **dict.fromkeys((self.boxed, self.bars, self.cards, self.reasons), ""),
            self.answer: None,
            self.verdict: welcome(say),
            self.why: gr.update(visible=False),
        }

    def _forgotten(self, say: Words) -> Update:
        return {**self._emptied(say), self.verdict: problem(say("photo.forgotten"), say)}

    def _answered(self, answer: PhotoAnswer, say: Words) -> Update:
        """Show the boxed picture instead of the empty zone, and the answer for the selected face."""
        picture, faces, selected = answer.picture, answer.faces, answer.selected
        several = len(faces) > 1
        portraits = [
            data_url(crop_square(picture, place_of(face).box, size=PORTRAIT_SIDE, channels=3))
            for face in faces
        ]
        boxed = annotate(picture, faces, selected=selected if several else None, named=in_words(say))
        return {
            self.boxed: shown_picture(data_url(boxed), say, name=f"{answer.name}-faces.jpg"),
            self.answer: self.service.memory.keep(answer, answer.size),
            self.verdict: verdict(answer.face, selected + 1, len(faces), portraits[selected], say),
            self.bars: bars_panel(answer.face, say),
            self.cards: face_cards(faces, portraits, selected, say),
            self.why: gr.update(value=say("photo.why"), visible=True),
            self.reasons: "",
        }


def in_words(say: Words) -> Callable[[FacePrediction], str]:
    """Return what is written beside a box: the answer, or its share where the font lacks the script."""
    if say.code not in DRAWN:
        return lambda face: "" if face.label is None else say.percent(face.confidence)
    if say is ENGLISH:
        return describe
    return lambda face: (
        f"{say.label(face.label)} {say.percent(face.confidence) if face.label else ''}".strip()
    )


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Return the indices of boxes in rows from the top, from the left: a row is as high as its first box."""
    left = sorted(range(len(boxes)), key=lambda index: boxes[index][1])
    order: list[int] = []
    while left:
        _, top, _, height = boxes[left[0]]
        row = [index for index in left if boxes[index][1] < top + height / 2]
        order += sorted(row, key=lambda index: boxes[index][0])
        left = [index for index in left if index not in row]
    return order


def name_of(source: bytes | Path | None) -> str:
    """Return a file's name without its ending."""
    return source.stem if isinstance(source, Path) else "picture"


def tool_description(labels: Sequence[str]) -> str:
    """Describe the API and the MCP tool, for programs and assistants."""
    return (
        f"Find the faces in a picture and say how each one looks: {', '.join(labels)}, or not sure. "
        "Returns: the model, its revision, and for every face, largest first, its box (x, y, width, height "
        "in pixels of the upright picture), label (null when the model is not sure, with the reason), "
        "confidence and probabilities."
    )


def example_buttons(examples: Sequence[Path]) -> str:
    """Return small versions of the examples, each with what it shows."""
    buttons = []
    for index, path in enumerate(examples):
        image = Image.open(path).convert("RGB")
        image.thumbnail((EXAMPLE_SIDE, EXAMPLE_SIDE))
        key = f"example.{path.stem.partition('-')[2]}"
        name = LATER(key) if key in table() else path.stem
        buttons.append(
            f'<button type="button" data-face="{index}"><img src="{data_url(image)}" alt="" width="92"'
            f' height="92"><span>{name}</span></button>'
        )
    return f'<div class="examples">{"".join(buttons)}</div>'
