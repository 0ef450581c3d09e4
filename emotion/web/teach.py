"""The tab that teaches the model a visitor's face: snapshots, what they change, a model to take home.

What is kept in memory are numbers and small portraits, no pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import gradio as gr
import numpy as np

from emotion.errors import EmotionError, InvalidImageError, ModelLoadError
from emotion.model.classifier import EmotionClassifier
from emotion.predictions.face import NEUTRAL_OR_MIXED, FacePrediction
from emotion.teaching.last_layer import FOLDS
from emotion.teaching.teach import FOLDER_NAME, TAUGHT, FineTuner, taught_names
from emotion.vision.crop import crop_square
from emotion.vision.images import Picture
from emotion.web.components import SHOWN_SIDE, at_shown_size, data_url, place_of
from emotion.web.html.answer import before_and_after, snapshots, what_is_gained
from emotion.web.html.messages import header, model_line, problem, zip_link
from emotion.web.inside.uploads import deleting
from emotion.web.language import ENGLISH, LATER, Words, words_of
from emotion.web.memory import Kept
from emotion.web.photo import SELECT_CARD
from emotion.web.service import Service
from emotion.web.tab import ANNOUNCED, PRIVATE, SILENT, Page, Tab, Update, chosen, state
from emotion.web.zone import given_sources, zone

# Pixels: the face that two models are asked about, and a snapshot as the page shows it.
PORTRAIT_SIDE, THUMBNAIL_SIDE = 128, 48


@dataclass(frozen=True)
class Sample:
    """One snapshot: its expression, features float32 (passes, features), a small portrait as a data URL."""

    shown: str
    features: np.ndarray
    portrait: str


@dataclass(frozen=True)
class Lesson:
    """What the tab remembers for its visitor.

    `tuner` belongs to the model that the snapshots are for, as the host may serve another one by now;
    `taught` is what that model has become.
    """

    samples: tuple[Sample, ...] = ()
    tuner: FineTuner | None = None
    taught: EmotionClassifier | None = None

    @property
    def size(self) -> int:
        """About what it takes, in bytes; the network itself is the host's."""
        heads = self.tuner.network.head.size if self.tuner else 0
        return heads + sum(sample.features.nbytes + len(sample.portrait) for sample in self.samples)

    def names(self, service: Service) -> tuple[str, ...]:
        """Return what can be taught: the model of the snapshots decides, or the one that is served now."""
        return taught_names(self.tuner.classifier if self.tuner else service.classifier)


class Teach(Tab):
    """The tab that teaches the model a face."""

    id = "teach"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        names = taught_names(service.classifier)
        self.lesson = state(service)
        self.forgets = [self.lesson]
        gr.HTML(f"<p>{LATER('teach.intro', needed=FOLDS, labels=LATER.listed(names))}</p>")
        with gr.Row(equal_height=False):
            with gr.Column():
                self.shown = gr.Radio(
                    choices(names, LATER), value=names[0], label=LATER("teach.shown"), elem_id="teach-shown"
                )
                self.zone = zone(
                    service,
                    "teach-zone",
                    drop="teach.drop",
                    choose="teach.add",
                    several=True,
                    camera="teach.camera",
                    take="teach.take",
                    stop="teach.stop",
                )
            with gr.Column():
                self._lay_out_lesson(names)

    def _lay_out_lesson(self, names: Sequence[str]) -> None:
        self.taken = gr.HTML(
            snapshots(names, [], FOLDS, LATER), elem_id="teach-taken", js_on_load=SELECT_CARD
        )
        self.message = gr.HTML(elem_id="teach-message", js_on_load=ANNOUNCED)
        with gr.Row():
            self.teaches = gr.Button(LATER("tab.teach"), variant="primary", elem_id="teach-it")
            self.starts_over = gr.Button(LATER("teach.over"), elem_id="teach-over")
        self.result = gr.HTML(elem_id="teach-result", js_on_load=ANNOUNCED)
        with gr.Column(visible=False) as self.after:
            gr.HTML(f"<p>{LATER('teach.unseen')}</p>")
            self.fresh = zone(
                self.service,
                "teach-fresh",
                drop="photo.drop",
                choose="photo.choose",
                camera="photo.snapshot",
            )
            self.compared = gr.HTML(elem_id="teach-compared", js_on_load=ANNOUNCED)
            with gr.Row():
                self.uses = gr.Button(LATER("teach.use"), elem_id="teach-use")
                self.packs = gr.Button(LATER("teach.pack"), elem_id="teach-pack")
            self.link = gr.HTML(elem_id="teach-link", js_on_load=ANNOUNCED)

    def wire(self, page: Page) -> None:
        """Connect the events; the heading of the page names the model that answers."""
        self.own, self.heading = page.own, page.heading
        outputs = [
            *(self.lesson, self.taken, self.message, self.result),
            *(self.after, self.compared, self.link),
        ]
        self.zone.given(
            self.add, [self.shown, self.lesson], outputs, show_progress_on=self.message, **PRIVATE
        )
        self.taken.select(self.remove, self.lesson, outputs, **SILENT)
        self.starts_over.click(self.start_over, self.own, [*outputs, self.own, self.heading], **SILENT)
        self.teaches.click(
            self.teach,
            self.lesson,
            outputs,
            concurrency_limit=self.service.limits.long_work,
            show_progress_on=self.result,
            **PRIVATE,
        )
        self.fresh.given(self.compare, self.lesson, outputs, show_progress_on=self.compared, **PRIVATE)
        self.uses.click(self.use, self.lesson, [self.own, self.heading, self.link], **PRIVATE)
        self.packs.click(self.pack, self.lesson, self.link, **PRIVATE)
        if self.service.refresh:
            # The model may have changed since the app started, and know other expressions.
            page.blocks.load(self.offer, outputs=[self.shown, self.taken], queue=False, **SILENT)

    def offer(self, request: gr.Request | None = None) -> Update:
        """Offer what the model that the host serves now can be taught."""
        say = words_of(request)
        names = taught_names(self.service.classifier)
        return {
            self.shown: gr.update(choices=choices(names, say), value=names[0]),
            self.taken: snapshots(names, [], FOLDS, say),
        }

    def add(
        self,
        shown: str,
        kept: Kept[Lesson] | None,
        event: gr.EventData,
        request: gr.Request | None = None,
    ) -> Update:
        """Learn from pictures and snapshots."""
        sources = given_sources(event)
        with deleting(*sources):
            return self._add(sources, shown, kept, words_of(request))

    def remove(
        self, kept: Kept[Lesson] | None, event: gr.EventData, request: gr.Request | None = None
    ) -> Update:
        """Forget the snapshot that was clicked."""
        say = words_of(request)
        lesson = self.service.memory.recall(kept)
        if lesson is None:
            return self._forgotten(say)
        left = list(lesson.samples)
        if left:
            del left[chosen(event, len(left))]
        return self._shown(replace(lesson, samples=tuple(left)), say)

    def start_over(self, own: Kept[EmotionClassifier] | None, request: gr.Request | None = None) -> Update:
        """Forget everything, and go back to the host's model if a taught one answers."""
        say = words_of(request)
        update = self._emptied(say)
        if own is not None and (own.value is None or own.value.model_name.endswith(TAUGHT)):
            update |= {self.own: None, self.heading: header(self.service.classifier, say=say)}
        return update

    def _emptied(self, say: Words) -> Update:
        hidden = {self.after: gr.update(visible=False)}
        return {**self._shown(Lesson(), say), self.result: "", **hidden, self.link: ""}

    def teach(self, kept: Kept[Lesson] | None, request: gr.Request | None = None) -> Update:
        """Fit the last layer to the snapshots, and show what that brings."""
        say = words_of(request)
        lesson = self.service.memory.recall(kept)
        if kept and lesson is None:
            return self._forgotten(say)
        lesson = lesson or Lesson()
        shown = [snapshot.shown for snapshot in lesson.samples]
        missing = [name for name in lesson.names(self.service) if shown.count(name) < FOLDS]
        if lesson.tuner is None or missing:
            needs = say("teach.needs", needed=FOLDS, labels=say.listed(missing))
            return {self.message: problem(needs, say)}
        features = np.stack([snapshot.features for snapshot in lesson.samples])
        taught, gain = lesson.tuner.teach(features, shown)
        return {
            self.lesson: self._kept(replace(lesson, taught=taught)),
            self.message: "",
            self.result: what_is_gained(gain, kept=not lesson.tuner.changed(taught), say=say),
            self.after: gr.update(visible=True),
            self.compared: "",
            self.link: "",
        }

    def compare(
        self, kept: Kept[Lesson] | None, event: gr.EventData, request: gr.Request | None = None
    ) -> Update:
        """Show what the model said before, and says after, of a picture or a snapshot."""
        sources = given_sources(event)
        with deleting(*sources):
            return self._compare(sources[0], kept, words_of(request)) if sources else {self.compared: ""}

    def use(self, kept: Kept[Lesson] | None, request: gr.Request | None = None) -> Update:
        """Answer with the taught model in every tab."""
        say = words_of(request)
        lesson = self.service.memory.recall(kept)
        if lesson is None or lesson.taught is None:
            return {self.link: problem(say("teach.not-taught"), say)}
        only_you = say("model.only-you")
        return {
            self.own: self.service.memory.keep(lesson.taught, lesson.size),
            self.heading: header(lesson.taught, only_you, say),
            self.link: model_line(lesson.taught, only_you, say),
        }

    def pack(self, kept: Kept[Lesson] | None, request: gr.Request | None = None) -> Update:
        """Put the taught model into the page as a file to save."""
        say = words_of(request)
        lesson = self.service.memory.recall(kept)
        if lesson is None or lesson.tuner is None or lesson.taught is None:
            return {self.link: problem(say("teach.not-taught"), say)}
        try:
            content = lesson.tuner.pack(lesson.taught)
        except ModelLoadError as error:
            return {self.link: problem(error, say)}
        caption = say("teach.save", size=f"{len(content) / 1e6:.1f}")
        return {self.link: zip_link(content, f"{FOLDER_NAME}.zip", caption)}

    def _add(
        self,
        sources: Sequence[bytes | Path],
        shown: str,
        kept: Kept[Lesson] | None,
        say: Words = ENGLISH,
    ) -> Update:
        lesson = self.service.memory.recall(kept)
        problems = [say("teach.forgotten")] if kept and lesson is None else []
        lesson = lesson or Lesson()
        taken, most = list(lesson.samples), self.service.limits.snapshots
        for source in sources:
            if sum(snapshot.shown == shown for snapshot in taken) >= most:
                problems.append(say("teach.enough", most=most, label=say.label(shown)))
                break
            try:
                if lesson.tuner is None:
                    lesson = replace(lesson, tuner=self.service.fine_tuner)
                taken.append(take_snapshot(self.service, lesson, source, shown, say))
            except EmotionError as error:
                problems.append(say.error(error))
        update = self._shown(replace(lesson, samples=tuple(taken)), say)
        if problems:
            update[self.message] = problem(" ".join(dict.fromkeys(problems)), say)
        return update

    def _compare(self, source: bytes | Path, kept: Kept[Lesson] | None, say: Words) -> Update:
        lesson = self.service.memory.recall(kept)
        if lesson is None or lesson.tuner is None or lesson.taught is None:
            return {self.compared: problem(say("teach.not-taught"), say)}
        try:
            picture, before = find_face(self.service, lesson.tuner, source, say)
        except EmotionError as error:
            return {self.compared: problem(error, say)}
        [after] = lesson.taught.predict_located(picture, [place_of(before)])
        face = portrait(picture, before, PORTRAIT_SIDE)
        return {self.compared: before_and_after(before, after, face, say)}

    def _forgotten(self, say: Words) -> Update:
        return {**self._emptied(say), self.message: problem(say("teach.forgotten"), say)}

    def _kept(self, lesson: Lesson) -> Kept[Lesson]:
        return self.service.memory.keep(lesson, lesson.size)

    def _shown(self, lesson: Lesson, say: Words) -> Update:
        portraits = [(snapshot.shown, snapshot.portrait) for snapshot in lesson.samples]
        return {
            self.lesson: self._kept(lesson),
            self.taken: snapshots(lesson.names(self.service), portraits, FOLDS, say),
            self.message: "",
        }


def choices(names: Sequence[str], say: Words) -> list[tuple[str, str]]:
    """Return the expressions with what the page calls them."""
    return [(say.label(name), name) for name in names]


def take_snapshot(
    service: Service, lesson: Lesson, source: bytes | Path, shown: str, say: Words = ENGLISH
) -> Sample:
    """Keep what a lesson needs of a picture; InvalidImageError without a usable face or known expression."""
    if lesson.tuner is None or shown not in lesson.names(service):
        raise InvalidImageError(say("teach.choose"))
    picture, face = find_face(service, lesson.tuner, source, say)
    features = lesson.tuner.features(lesson.tuner.classifier.crop(picture, place_of(face)))
    return Sample(shown, features, portrait(picture, face, THUMBNAIL_SIDE))


def find_face(
    service: Service, tuner: FineTuner, source: bytes | Path, say: Words = ENGLISH
) -> tuple[Picture, FacePrediction]:
    """Return a picture and its largest face, as the model answers before any lesson.

    InvalidImageError if there is no face that can be judged.
    """
    picture = service.open_picture(source)
    faces = tuner.classifier.predict(picture, limit=1)
    if not faces:
        raise InvalidImageError(say("noface"))
    if faces[0].reason not in (None, NEUTRAL_OR_MIXED):
        raise InvalidImageError(say.reason(faces[0].reason))
    return picture, faces[0]


def portrait(picture: Picture, face: FacePrediction, side: int) -> str:
    """Return a face, `side` pixels wide, as a data URL."""
    pixels, [shown] = at_shown_size(picture, [face], SHOWN_SIDE)
    return data_url(crop_square(pixels, place_of(shown).box, size=side, channels=3))
