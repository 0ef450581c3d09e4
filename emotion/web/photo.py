"""The Photo tab: one picture, its faces, and why the model answers what it does."""

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
from emotion.predictions.face import FacePrediction
from emotion.vision.crop import crop_face, crop_square
from emotion.vision.images import Picture, open_image
from emotion.web.camera import front_or_rear, webcam_options, wire_camera
from emotion.web.components import SHOWN_SIDE, MemoryGallery, MemoryImage, as_jpeg, data_url
from emotion.web.events import PRIVATE, SILENT, Update, chosen, point
from emotion.web.html.answer import evidence, face_cards, verdict
from emotion.web.html.messages import no_face, problem, welcome
from emotion.web.memory import Kept
from emotion.web.session import Session
from emotion.web.shown import at_shown_size, place_of

SELECT_CARD = Path(__file__).with_name("select_card.js").read_text("utf-8")

# Pixels: the pictures of this tab and the camera's; portraits beside answers and below the heatmap; examples.
PICTURE_HEIGHT = 440
PORTRAIT_SIDE = 128
EXPLAINED_SIDE = 320
EXAMPLE_SIDE = 240
# Pixels, width and height of a snapshot.
CAMERA = 1920, 1440

FORGOTTEN = (
    "This picture was forgotten: it is kept for an hour at most, and less while many people are here. "
    "Add it once more."
)


@dataclass(frozen=True)
class PhotoAnswer:
    """What the Photo tab remembers for its visitor.

    Attributes
    ----------
    jpeg : bytes
        The picture at the size that is shown: as pixels it would take twenty times as much.
    faces : tuple of FacePrediction
        Their boxes and eyes are in pixels of it.
    crops : tuple of numpy.ndarray
        What the network saw of each.
    classifier : EmotionClassifier
        The model that gave the answer: "Why?" asks the same one, whatever the host serves by then.
    selected : int
        Index of the face that the answer is about.
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


@dataclass(frozen=True)
class PhotoTab:
    """The components of the tab."""

    picture: MemoryImage
    facing: gr.Radio
    boxed: MemoryImage
    another: gr.Button
    answer: gr.State
    verdict: gr.HTML
    probabilities: gr.Label
    cards: gr.HTML
    why: gr.Button
    reasons: gr.Column
    heat: MemoryImage
    heat_words: gr.HTML
    examples: MemoryGallery

    @property
    def outputs(self) -> list[Any]:
        """Whatever an answer changes."""
        return [
            *(self.picture, self.boxed, self.another, self.answer, self.verdict),
            *(self.probabilities, self.cards, self.why, self.reasons),
        ]


def build(session: Session) -> PhotoTab:
    """Lay out the tab, empty."""
    answer = gr.State(time_to_live=session.limits.remembered_seconds)
    with gr.Row(equal_height=False):
        with gr.Column():
            picture = MemoryImage(
                label="Your picture",
                sources=["upload", "webcam", "clipboard"],
                height=PICTURE_HEIGHT,
                buttons=["fullscreen"],
                placeholder="# Drop a photo here\nor click to choose one",
                webcam_options=webcam_options(*CAMERA),
                elem_id="photo",
                alt_text="Your picture",
            )
            boxed = MemoryImage(
                show_label=False,
                interactive=False,
                visible=False,
                height=PICTURE_HEIGHT,
                buttons=["download", "fullscreen"],
                elem_id="boxed",
                alt_text="Your picture with a numbered box around every face",
            )
            facing = front_or_rear("photo-facing")
            another = gr.Button("Another picture", visible=False, elem_id="another")
        with gr.Column():
            answer_words = gr.HTML(welcome(), elem_id="verdict")
            probabilities = gr.Label(
                label="Probabilities", show_heading=False, visible=False, elem_id="probabilities"
            )
            cards = gr.HTML(visible=False, elem_id="cards", js_on_load=SELECT_CARD)
            why = gr.Button("Why?", visible=False, elem_id="why")
            with gr.Column(visible=False) as reasons:
                heat = MemoryImage(
                    label="Where the model looked",
                    interactive=False,
                    height=260,
                    buttons=[],
                    elem_id="heat",
                )
                heat_words = gr.HTML()
            gr.Markdown("Or click an example:")
            examples = MemoryGallery(
                example_thumbnails(session.examples),
                show_label=False,
                columns=5,
                height="auto",
                allow_preview=False,
                interactive=False,
                object_fit="cover",
                buttons=[],
                elem_id="examples",
            )
    return PhotoTab(
        picture=picture,
        facing=facing,
        boxed=boxed,
        another=another,
        answer=answer,
        verdict=answer_words,
        probabilities=probabilities,
        cards=cards,
        why=why,
        reasons=reasons,
        heat=heat,
        heat_words=heat_words,
        examples=examples,
    )


def wire(tab: PhotoTab, session: Session, own: gr.State) -> None:
    """Connect the events; `own` holds the visitor's own model, if any."""
    photo = Photo(tab, session)
    tab.picture.upload(photo.show_upload, [tab.picture, own], tab.outputs, **PRIVATE)
    # Not queued: the buttons for another source clear first, and what they bring must find the page cleared.
    gr.on([tab.picture.clear, tab.another.click], photo.clear, outputs=tab.outputs, queue=False, **SILENT)
    wire_camera(tab.facing, tab.picture, CAMERA)
    tab.examples.select(photo.show_example, own, tab.outputs, **PRIVATE)
    tab.boxed.select(photo.select_point, tab.answer, tab.outputs, **SILENT)
    tab.cards.select(photo.select_card, tab.answer, tab.outputs, **SILENT)
    tab.why.click(
        photo.explain,
        tab.answer,
        [*tab.outputs, tab.heat, tab.heat_words],
        show_progress_on=tab.verdict,
        **PRIVATE,
    )


class Photo:
    """The handlers of the tab."""

    def __init__(self, tab: PhotoTab, session: Session) -> None:
        self.tab = tab
        self.session = session

    def show_upload(self, source: bytes | Path | None, own: Kept[EmotionClassifier] | None) -> Update:
        """Answer for what the visitor uploaded, dropped, pasted or photographed."""
        with self.session.uploads.using(source):
            return self._show_source(source, own)

    def show_example(self, own: Kept[EmotionClassifier] | None, event: gr.EventData) -> Update:
        """Answer for the example that was clicked."""
        examples = self.session.examples
        return self._show_source(examples[chosen(event, len(examples))], own)

    def _show_source(self, source: bytes | Path | None, own: Kept[EmotionClassifier] | None) -> Update:
        try:
            return self.show(self.session.open_picture(source), own)
        except EmotionError as error:
            return {**self.clear(), self.tab.verdict: problem(str(error))}

    def show(self, picture: Picture, own: Kept[EmotionClassifier] | None) -> Update:
        """Answer for a picture."""
        classifier = self.session.classifier_for(own)
        opened, places = classifier.locate(picture)
        found = classifier.predict_located(opened, places)
        pixels, faces = at_shown_size(picture, found, SHOWN_SIDE)
        if not faces:
            return {**self.clear(), self.tab.picture: pixels, self.tab.verdict: no_face()}
        crops = tuple(classifier.crop(opened, place) for place in places)
        return self._answered(PhotoAnswer(as_jpeg(pixels), tuple(faces), crops, classifier), pixels)

    def select_card(self, kept: Kept[PhotoAnswer] | None, event: gr.EventData) -> Update:
        """Select the face whose card was clicked."""
        answer = self.session.memory.recall(kept)
        if answer is None:
            return self._forgotten()
        return self._answered(replace(answer, selected=chosen(event, len(answer.faces))))

    def select_point(self, kept: Kept[PhotoAnswer] | None, event: gr.EventData) -> Update:
        """Select the face that was clicked in the picture, the smallest one where boxes overlap."""
        answer = self.session.memory.recall(kept)
        if answer is None:
            return self._forgotten()
        across, down = point(event)
        hits = [
            (width * height, index)
            for index, (x, y, width, height) in enumerate(place_of(face).box for face in answer.faces)
            if x <= across < x + width and y <= down < y + height
        ]
        if not hits:
            return {self.tab.verdict: gr.skip()}
        return self._answered(replace(answer, selected=min(hits)[1]))

    def explain(self, kept: Kept[PhotoAnswer] | None) -> Update:
        """Show which parts of the selected face the answer rests on."""
        answer = self.session.memory.recall(kept)
        if answer is None:
            return self._forgotten()
        place = place_of(answer.face)
        best = max(answer.face.probabilities, key=answer.face.probabilities.__getitem__)
        try:
            classifier = self.session.ready(answer.classifier)
            warmth = heatmap(classifier, answer.crops[answer.selected], label=best)
        except EmotionError as error:
            return {self.tab.verdict: problem(str(error))}
        portrait = crop_face(answer.picture, place, size=EXPLAINED_SIDE, channels=3)
        return {
            self.tab.heat: gr.update(
                value=overlay(portrait, warmth),
                alt_text=f"Heatmap: “{best}” rests most {hottest_part(warmth)}",
            ),
            self.tab.heat_words: evidence(best, hottest_part(warmth), HOW_TO_READ),
            self.tab.reasons: gr.update(visible=True),
        }

    def clear(self) -> Update:
        """Forget the picture and show the empty tab."""
        tab, hidden = self.tab, gr.update(visible=False)
        return {
            tab.picture: gr.update(value=None, visible=True),
            tab.boxed: gr.update(value=None, visible=False),
            tab.another: hidden,
            tab.answer: None,
            tab.verdict: welcome(),
            tab.probabilities: hidden,
            tab.cards: hidden,
            tab.why: hidden,
            tab.reasons: hidden,
        }

    def _forgotten(self) -> Update:
        return {**self.clear(), self.tab.verdict: problem(FORGOTTEN)}

    def _answered(self, answer: PhotoAnswer, picture: np.ndarray | None = None) -> Update:
        """Show the boxed picture instead of the empty one, and the answer for the selected face."""
        picture = answer.picture if picture is None else picture
        tab, faces, selected, several = self.tab, answer.faces, answer.selected, len(answer.faces) > 1
        portraits = [
            data_url(crop_square(picture, place_of(face).box, size=PORTRAIT_SIDE, channels=3))
            for face in faces
        ]
        return {
            tab.picture: gr.update(value=None, visible=False),
            tab.boxed: gr.update(
                value=annotate(picture, faces, selected=selected if several else None), visible=True
            ),
            tab.another: gr.update(visible=True),
            tab.answer: self.session.memory.keep(answer, answer.size),
            tab.verdict: verdict(answer.face, selected + 1, len(faces), portraits[selected]),
            tab.probabilities: gr.update(value=answer.face.probabilities, visible=True),
            tab.cards: gr.update(value=face_cards(faces, portraits, selected), visible=several),
            tab.why: gr.update(visible=True),
            tab.reasons: gr.update(visible=False),
        }


def example_thumbnails(examples: Sequence[Path]) -> list[tuple[Image.Image, str]]:
    """Return small versions of the examples, captioned with their file names in words."""
    thumbnails = []
    for path in examples:
        image = Image.open(path).convert("RGB")
        image.thumbnail((EXAMPLE_SIDE, EXAMPLE_SIDE))
        thumbnails.append((image, path.stem.partition("-")[2].replace("-", " ")))
    return thumbnails
