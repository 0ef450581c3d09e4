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
from emotion.predictions.display import listed
from emotion.predictions.face import NEUTRAL_OR_MIXED, FacePrediction
from emotion.teaching.last_layer import FOLDS
from emotion.teaching.teach import FOLDER_NAME, TAUGHT, FineTuner, taught_names
from emotion.vision.crop import crop_square
from emotion.vision.images import Picture
from emotion.web.camera import CAMERAS, STREAMED, front_or_rear, streamed_camera, wire_camera
from emotion.web.components import SHOWN_SIDE, UploadedFiles, at_shown_size, data_url, place_of
from emotion.web.html.answer import before_and_after, explain_reason, snapshots, what_is_gained
from emotion.web.html.messages import NO_FACE, ONLY_YOU, header, model_line, problem, zip_link
from emotion.web.inside.uploads import deleting
from emotion.web.memory import Kept
from emotion.web.photo import SELECT_CARD
from emotion.web.service import Service
from emotion.web.tab import PRIVATE, SILENT, Page, Tab, Update, chosen, state

# Pixels: the camera, the face that two models are asked about, and a snapshot as the page shows it.
CAMERA_HEIGHT, PORTRAIT_SIDE, THUMBNAIL_SIDE = 300, 128, 48
# Seconds between camera frames; a snapshot is the last one that came.
FRAME_INTERVAL = 0.3

NO_CAMERA = "The camera is off. Turn it on and press “Record”, or add a picture below."
FORGOTTEN = (
    "Your snapshots were forgotten. They are kept for an hour, or for less when there are many visitors. "
    "Take them again."
)
NOT_TAUGHT = (
    "The model has not learned your face yet, or it was forgotten after an hour. "
    "Take snapshots, then press “Teach it”."
)


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

    id, title = "teach", "Teach it"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        names = taught_names(service.classifier)
        self.lesson, self.frame = state(service), state(service)
        self.forgets = [self.lesson, self.frame]
        gr.Markdown(
            f"Does it know **your** face? Show it **{FOLDS} snapshots** or more of each expression: "
            f"{listed(names)}. Take them from different sides and in your usual light. The model’s last "
            "layer learns them, for you alone. This server keeps a few numbers and a small portrait of each "
            "snapshot in memory, for an hour at most."
        )
        with gr.Row(equal_height=False):
            with gr.Column():
                self._lay_out_pictures(names)
            with gr.Column():
                self._lay_out_lesson(names)

    def _lay_out_pictures(self, names: Sequence[str]) -> None:
        self.shown = gr.Radio(
            list(names), value=names[0], label="What does your face show?", elem_id="teach-shown"
        )
        self.camera = streamed_camera("teach-camera", height=CAMERA_HEIGHT)
        self.facing = front_or_rear("teach-facing")
        self.takes = gr.Button("Take a snapshot", variant="primary", elem_id="teach-take")
        self.pictures = UploadedFiles(
            label="Or add pictures",
            file_count="multiple",
            file_types=["image"],
            height=140,
            elem_id="teach-pictures",
        )

    def _lay_out_lesson(self, names: Sequence[str]) -> None:
        self.taken = gr.HTML(snapshots(names, [], FOLDS), elem_id="teach-taken", js_on_load=SELECT_CARD)
        self.message = gr.HTML(elem_id="teach-message")
        with gr.Row():
            self.teaches = gr.Button("Teach it", variant="primary", elem_id="teach-it")
            self.starts_over = gr.Button("Start over", elem_id="teach-over")
        self.result = gr.HTML(elem_id="teach-result")
        with gr.Column(visible=False) as self.after:
            gr.Markdown("Now make a face that it has not seen:")
            self.compares = gr.Button("Compare before and after on this moment", elem_id="teach-compare")
            self.fresh = UploadedFiles(
                label="Or on a picture", file_types=["image"], height=140, elem_id="teach-fresh"
            )
            self.compared = gr.HTML(elem_id="teach-compared")
            with gr.Row():
                self.uses = gr.Button("Use it in every tab", elem_id="teach-use")
                self.packs = gr.Button("Take it home", elem_id="teach-pack")
            self.link = gr.HTML(elem_id="teach-link")

    def wire(self, page: Page) -> None:
        """Connect the events; the heading of the page names the model that answers."""
        self.own, self.heading = page.own, page.heading
        limits = self.service.limits
        streaming = self.camera.stream(
            self.watch,
            self.camera,
            self.frame,
            stream_every=FRAME_INTERVAL,
            time_limit=limits.live_minutes * 60,
            concurrency_limit=limits.live_visitors,
            concurrency_id=CAMERAS,
            **SILENT,
        )
        streaming.then(self.stop, outputs=self.frame, **SILENT)
        wire_camera(self.facing, self.camera, STREAMED)
        outputs = [
            *(self.lesson, self.pictures, self.taken, self.message, self.result),
            *(self.after, self.fresh, self.compared, self.link),
        ]
        self.takes.click(self.take, [self.frame, self.shown, self.lesson], outputs, **SILENT)
        self.pictures.upload(self.add, [self.pictures, self.shown, self.lesson], outputs, **PRIVATE)
        self.taken.select(self.remove, self.lesson, outputs, **SILENT)
        self.starts_over.click(self.start_over, self.own, [*outputs, self.own, self.heading], **SILENT)
        self.teaches.click(self.teach, self.lesson, outputs, concurrency_limit=limits.long_work, **PRIVATE)
        self.compares.click(self.compare, [self.frame, self.lesson], outputs, **SILENT)
        self.fresh.upload(self.compare_picture, [self.fresh, self.lesson], outputs, **PRIVATE)
        self.uses.click(self.use, self.lesson, [self.own, self.heading, self.link], **PRIVATE)
        self.packs.click(self.pack, self.lesson, self.link, **PRIVATE)
        if self.service.refresh:
            # The model may have changed since the app started, and know other expressions.
            page.blocks.load(self.offer, outputs=[self.shown, self.taken], queue=False, **SILENT)

    def offer(self) -> Update:
        """Offer what the model that the host serves now can be taught."""
        names = taught_names(self.service.classifier)
        return {
            self.shown: gr.update(choices=list(names), value=names[0]),
            self.taken: snapshots(names, [], FOLDS),
        }

    def watch(self, frame: bytes | None) -> Kept[bytes] | None:
        """Keep the camera's last picture at hand."""
        return None if frame is None else self.service.memory.keep(frame, len(frame))

    def stop(self) -> None:
        """Forget it when the camera stops."""

    def take(self, frame: Kept[bytes] | None, shown: str, kept: Kept[Lesson] | None) -> Update:
        """Learn from the camera's picture of this moment."""
        source = self.service.memory.recall(frame)
        if source is None:
            return {self.message: problem(NO_CAMERA)}
        return self._add([source], shown, kept)

    def add(self, paths: list[str], shown: str, kept: Kept[Lesson] | None) -> Update:
        """Learn from pictures."""
        with deleting(*paths):
            return self._add([Path(path) for path in paths], shown, kept)

    def remove(self, kept: Kept[Lesson] | None, event: gr.EventData) -> Update:
        """Forget the snapshot that was clicked."""
        lesson = self.service.memory.recall(kept)
        if lesson is None:
            return self._forgotten()
        left = list(lesson.samples)
        if left:
            del left[chosen(event, len(left))]
        return self._shown(replace(lesson, samples=tuple(left)))

    def start_over(self, own: Kept[EmotionClassifier] | None) -> Update:
        """Forget everything, and go back to the host's model if a taught one answers."""
        update = self._emptied()
        if own is not None and (own.value is None or own.value.model_name.endswith(TAUGHT)):
            update |= {self.own: None, self.heading: header(self.service.classifier)}
        return update

    def _emptied(self) -> Update:
        return {**self._shown(Lesson()), self.result: "", self.after: gr.update(visible=False), self.link: ""}

    def teach(self, kept: Kept[Lesson] | None) -> Update:
        """Fit the last layer to the snapshots, and show what that brings."""
        lesson = self.service.memory.recall(kept)
        if kept and lesson is None:
            return self._forgotten()
        lesson = lesson or Lesson()
        shown = [snapshot.shown for snapshot in lesson.samples]
        missing = [name for name in lesson.names(self.service) if shown.count(name) < FOLDS]
        if lesson.tuner is None or missing:
            return {
                self.message: problem(
                    f"Each expression needs at least {FOLDS} snapshots. Take more of {listed(missing)}."
                )
            }
        features = np.stack([snapshot.features for snapshot in lesson.samples])
        taught, gain = lesson.tuner.teach(features, shown)
        return {
            self.lesson: self._kept(replace(lesson, taught=taught)),
            self.message: "",
            self.result: what_is_gained(gain, kept=not lesson.tuner.changed(taught)),
            self.after: gr.update(visible=True),
            self.compared: "",
            self.link: "",
        }

    def compare(self, frame: Kept[bytes] | None, kept: Kept[Lesson] | None) -> Update:
        """Show what the model said before, and says after, of the camera's picture of this moment."""
        source = self.service.memory.recall(frame)
        if source is None:
            return {self.compared: problem(NO_CAMERA)}
        return self._compare(source, kept)

    def compare_picture(self, paths: list[str], kept: Kept[Lesson] | None) -> Update:
        """Show the same for a picture."""
        with deleting(*paths):
            return {self.fresh: None, **(self._compare(Path(paths[0]), kept) if paths else {})}

    def use(self, kept: Kept[Lesson] | None) -> Update:
        """Answer with the taught model in every tab."""
        lesson = self.service.memory.recall(kept)
        if lesson is None or lesson.taught is None:
            return {self.link: problem(NOT_TAUGHT)}
        return {
            self.own: self.service.memory.keep(lesson.taught, lesson.size),
            self.heading: header(lesson.taught, ONLY_YOU),
            self.link: model_line(lesson.taught, ONLY_YOU),
        }

    def pack(self, kept: Kept[Lesson] | None) -> Update:
        """Put the taught model into the page as a file to save."""
        lesson = self.service.memory.recall(kept)
        if lesson is None or lesson.tuner is None or lesson.taught is None:
            return {self.link: problem(NOT_TAUGHT)}
        try:
            content = lesson.tuner.pack(lesson.taught)
        except ModelLoadError as error:
            return {self.link: problem(str(error))}
        caption = f"Save the model (ZIP, {len(content) / 1e6:.1f} MB)"
        return {self.link: zip_link(content, f"{FOLDER_NAME}.zip", caption)}

    def _add(self, sources: list[bytes] | list[Path], shown: str, kept: Kept[Lesson] | None) -> Update:
        lesson = self.service.memory.recall(kept)
        problems = [FORGOTTEN] if kept and lesson is None else []
        lesson = lesson or Lesson()
        taken, most = list(lesson.samples), self.service.limits.snapshots
        for source in sources:
            if sum(snapshot.shown == shown for snapshot in taken) >= most:
                problems.append(f"{most} snapshots of “{shown}” are enough.")
                break
            try:
                if lesson.tuner is None:
                    lesson = replace(lesson, tuner=self.service.fine_tuner)
                taken.append(take_snapshot(self.service, lesson, source, shown))
            except EmotionError as error:
                problems.append(str(error))
        update = self._shown(replace(lesson, samples=tuple(taken)))
        return update | {self.message: problem(" ".join(dict.fromkeys(problems))) if problems else ""}

    def _compare(self, source: bytes | Path, kept: Kept[Lesson] | None) -> Update:
        lesson = self.service.memory.recall(kept)
        if lesson is None or lesson.tuner is None or lesson.taught is None:
            return {self.compared: problem(NOT_TAUGHT)}
        try:
            picture, before = find_face(self.service, lesson.tuner, source)
        except EmotionError as error:
            return {self.compared: problem(str(error))}
        [after] = lesson.taught.predict_located(picture, [place_of(before)])
        return {self.compared: before_and_after(before, after, portrait(picture, before, PORTRAIT_SIDE))}

    def _forgotten(self) -> Update:
        return {**self._emptied(), self.message: problem(FORGOTTEN)}

    def _kept(self, lesson: Lesson) -> Kept[Lesson]:
        return self.service.memory.keep(lesson, lesson.size)

    def _shown(self, lesson: Lesson) -> Update:
        portraits = [(snapshot.shown, snapshot.portrait) for snapshot in lesson.samples]
        return {
            self.lesson: self._kept(lesson),
            self.pictures: None,
            self.taken: snapshots(lesson.names(self.service), portraits, FOLDS),
            self.message: "",
        }


def take_snapshot(service: Service, lesson: Lesson, source: bytes | Path, shown: str) -> Sample:
    """Keep what a lesson needs of a picture; InvalidImageError without a usable face or known expression."""
    if lesson.tuner is None or shown not in lesson.names(service):
        raise InvalidImageError("Choose one of the expressions that are shown.")
    picture, face = find_face(service, lesson.tuner, source)
    features = lesson.tuner.features(lesson.tuner.classifier.crop(picture, place_of(face)))
    return Sample(shown, features, portrait(picture, face, THUMBNAIL_SIDE))


def find_face(service: Service, tuner: FineTuner, source: bytes | Path) -> tuple[Picture, FacePrediction]:
    """Return a picture and its largest face, as the model answers before any lesson.

    InvalidImageError if there is no face that can be judged.
    """
    picture = service.open_picture(source)
    faces = tuner.classifier.predict(picture, limit=1)
    if not faces:
        raise InvalidImageError(NO_FACE)
    if faces[0].reason not in (None, NEUTRAL_OR_MIXED):
        raise InvalidImageError(explain_reason(faces[0].reason))
    return picture, faces[0]


def portrait(picture: Picture, face: FacePrediction, side: int) -> str:
    """Return a face, `side` pixels wide, as a data URL."""
    pixels, [shown] = at_shown_size(picture, [face], SHOWN_SIDE)
    return data_url(crop_square(pixels, place_of(shown).box, size=side, channels=3))
