"""The tab that teaches the model a visitor's face: snapshots, what they change, a model to take home."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from emotion.errors import EmotionError, ModelLoadError
from emotion.predictions.display import listed
from emotion.teaching.last_layer import FOLDS
from emotion.teaching.teach import FOLDER_NAME, taught_names
from emotion.web.camera import STREAMED, front_or_rear, streamed_camera, wire_camera
from emotion.web.components import MemoryImage, UploadedFiles
from emotion.web.events import PRIVATE, SILENT, Update, chosen
from emotion.web.html.answer import before_and_after
from emotion.web.html.lesson import snapshots, what_is_gained
from emotion.web.html.messages import ONLY_YOU, header, model_line, problem, zip_link
from emotion.web.lesson import Lesson, find_face, portrait, take_snapshot
from emotion.web.memory import Kept
from emotion.web.photo import SELECT_CARD
from emotion.web.session import Session
from emotion.web.shown import place_of

# Pixels: the camera, and the face that two models are asked about.
CAMERA_HEIGHT, PORTRAIT_SIDE = 300, 128
# Seconds between camera frames; a snapshot is the last one that came.
FRAME_INTERVAL = 0.3

NO_CAMERA = "The camera is off. Turn it on and press “Record”, or add a picture below."
FORGOTTEN = "Your snapshots were forgotten, after an hour or because many people are here. Take them again."
NOT_TAUGHT = (
    "Nothing was taught yet, or it was forgotten after an hour. Take snapshots, then press “Teach it”."
)


@dataclass(frozen=True)
class TeachTab:
    """The components of the tab."""

    lesson: gr.State
    frame: gr.State
    shown: gr.Radio
    camera: MemoryImage
    facing: gr.Radio
    take: gr.Button
    pictures: UploadedFiles
    taken: gr.HTML
    message: gr.HTML
    teach: gr.Button
    start_over: gr.Button
    result: gr.HTML
    after: gr.Column
    compare: gr.Button
    fresh: UploadedFiles
    compared: gr.HTML
    use: gr.Button
    pack: gr.Button
    link: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """Whatever a snapshot or a lesson changes."""
        return [
            *(self.lesson, self.pictures, self.taken, self.message, self.result),
            *(self.after, self.fresh, self.compared, self.link),
        ]


def build(session: Session) -> TeachTab:
    """Lay out the tab, with the camera off and nothing taught."""
    names = taught_names(session.classifier)
    kept = session.limits.remembered_seconds
    lesson, frame = gr.State(time_to_live=kept), gr.State(time_to_live=kept)
    gr.Markdown(
        f"Does it know **your** face? Show it at least **{FOLDS} snapshots** each of {listed(names)}, from "
        "several sides and in the light that you use. Its last layer learns them, for you alone. Of every "
        "picture only a few numbers and the portrait below stay in this server’s memory, for an hour at most."
    )
    with gr.Row(equal_height=False):
        with gr.Column():
            shown = gr.Radio(
                list(names), value=names[0], label="What does your face show?", elem_id="teach-shown"
            )
            camera = streamed_camera("teach-camera", height=CAMERA_HEIGHT)
            facing = front_or_rear("teach-facing")
            take = gr.Button("Take a snapshot", variant="primary", elem_id="teach-take")
            pictures = UploadedFiles(
                label="Or add pictures",
                file_count="multiple",
                file_types=["image"],
                height=140,
                elem_id="teach-pictures",
            )
        with gr.Column():
            taken = gr.HTML(snapshots(names, [], FOLDS), elem_id="teach-taken", js_on_load=SELECT_CARD)
            message = gr.HTML(elem_id="teach-message")
            with gr.Row():
                teach = gr.Button("Teach it", variant="primary", elem_id="teach-it")
                start_over = gr.Button("Start over", elem_id="teach-over")
            result = gr.HTML(elem_id="teach-result")
            with gr.Column(visible=False) as after:
                gr.Markdown("Now make a face that it has not seen:")
                compare = gr.Button("Compare before and after on this moment", elem_id="teach-compare")
                fresh = UploadedFiles(
                    label="Or on a picture", file_types=["image"], height=140, elem_id="teach-fresh"
                )
                compared = gr.HTML(elem_id="teach-compared")
                with gr.Row():
                    use = gr.Button("Use it in every tab", elem_id="teach-use")
                    pack = gr.Button("Take it home", elem_id="teach-pack")
                link = gr.HTML(elem_id="teach-link")
    return TeachTab(
        lesson=lesson,
        frame=frame,
        shown=shown,
        camera=camera,
        facing=facing,
        take=take,
        pictures=pictures,
        taken=taken,
        message=message,
        teach=teach,
        start_over=start_over,
        result=result,
        after=after,
        compare=compare,
        fresh=fresh,
        compared=compared,
        use=use,
        pack=pack,
        link=link,
    )


def wire(tab: TeachTab, session: Session, own: gr.State, *, title: gr.HTML, page: gr.Blocks) -> None:
    """Connect the events; the title of the page names the model that answers."""
    pupil = Teaching(tab, session, own, title)
    watching = tab.camera.stream(
        pupil.watch,
        tab.camera,
        tab.frame,
        stream_every=FRAME_INTERVAL,
        time_limit=session.limits.live_minutes * 60,
        concurrency_limit=session.limits.live_visitors,
        **SILENT,
    )
    watching.then(pupil.stop, outputs=tab.frame, **SILENT)
    wire_camera(tab.facing, tab.camera, STREAMED)
    tab.take.click(pupil.take, [tab.frame, tab.shown, tab.lesson], tab.outputs, **SILENT)
    tab.pictures.upload(pupil.add, [tab.pictures, tab.shown, tab.lesson], tab.outputs, **PRIVATE)
    tab.taken.select(pupil.remove, tab.lesson, tab.outputs, **SILENT)
    tab.teach.click(pupil.teach, tab.lesson, tab.outputs, **PRIVATE)
    tab.start_over.click(pupil.start_over, outputs=tab.outputs, **SILENT)
    tab.compare.click(pupil.compare, [tab.frame, tab.lesson], tab.outputs, **SILENT)
    tab.fresh.upload(pupil.compare_picture, [tab.fresh, tab.lesson], tab.outputs, **PRIVATE)
    tab.use.click(pupil.use, tab.lesson, [own, title, *tab.outputs], **PRIVATE)
    tab.pack.click(pupil.pack, tab.lesson, tab.outputs, **PRIVATE)
    if session.refresh:
        # The model may be another one by now than when the app started, and know other expressions.
        page.load(pupil.offer, outputs=[tab.shown, tab.taken], queue=False, **SILENT)


class Teaching:
    """The handlers of the tab."""

    def __init__(self, tab: TeachTab, session: Session, own: gr.State, title: gr.HTML) -> None:
        self.tab, self.session = tab, session
        self.own, self.title = own, title

    def offer(self) -> Update:
        """Offer what the model that the host serves now can be taught."""
        names = taught_names(self.session.classifier)
        return {
            self.tab.shown: gr.update(choices=list(names), value=names[0]),
            self.tab.taken: snapshots(names, [], FOLDS),
        }

    def watch(self, frame: bytes | None) -> Kept[bytes] | None:
        """Keep the camera's last picture at hand."""
        return None if frame is None else self.session.memory.keep(frame, len(frame))

    def stop(self) -> None:
        """Forget it when the camera stops."""

    def take(self, frame: Kept[bytes] | None, shown: str, kept: Kept[Lesson] | None) -> Update:
        """Learn from the camera's picture of this moment."""
        source = self.session.memory.recall(frame)
        if source is None:
            return {self.tab.message: problem(NO_CAMERA)}
        return self._add([source], shown, kept)

    def add(self, paths: list[str], shown: str, kept: Kept[Lesson] | None) -> Update:
        """Learn from pictures."""
        with self.session.uploads.using(*paths):
            return self._add([Path(path) for path in paths], shown, kept)

    def remove(self, kept: Kept[Lesson] | None, event: gr.EventData) -> Update:
        """Forget the snapshot that was clicked."""
        lesson = self.session.memory.recall(kept)
        if lesson is None:
            return self._forgotten()
        left = list(lesson.snapshots)
        if left:
            del left[chosen(event, len(left))]
        return self._shown(replace(lesson, snapshots=tuple(left)))

    def start_over(self) -> Update:
        """Forget everything."""
        tab = self.tab
        return {**self._shown(Lesson()), tab.result: "", tab.after: gr.update(visible=False), tab.link: ""}

    def teach(self, kept: Kept[Lesson] | None) -> Update:
        """Fit the last layer to the snapshots, and show what that brings."""
        lesson = self.session.memory.recall(kept)
        if kept and lesson is None:
            return self._forgotten()
        lesson = lesson or Lesson()
        shown = [snapshot.shown for snapshot in lesson.snapshots]
        missing = [name for name in lesson.names(self.session) if shown.count(name) < FOLDS]
        if lesson.teacher is None or missing:
            return {
                self.tab.message: problem(
                    f"Each expression needs at least {FOLDS} snapshots. Take more of {listed(missing)}."
                )
            }
        features = np.stack([snapshot.features for snapshot in lesson.snapshots])
        taught, gain = lesson.teacher.teach(features, shown)
        return {
            self.tab.lesson: self._kept(replace(lesson, taught=taught)),
            self.tab.message: "",
            self.tab.result: what_is_gained(gain, kept=not lesson.teacher.changed(taught)),
            self.tab.after: gr.update(visible=True),
            self.tab.compared: "",
            self.tab.link: "",
        }

    def compare(self, frame: Kept[bytes] | None, kept: Kept[Lesson] | None) -> Update:
        """Show what the model said before, and says after, of the camera's picture of this moment."""
        source = self.session.memory.recall(frame)
        if source is None:
            return {self.tab.compared: problem(NO_CAMERA)}
        return self._compare(source, kept)

    def compare_picture(self, paths: list[str], kept: Kept[Lesson] | None) -> Update:
        """Show the same for a picture."""
        with self.session.uploads.using(*paths):
            return {self.tab.fresh: None, **(self._compare(Path(paths[0]), kept) if paths else {})}

    def use(self, kept: Kept[Lesson] | None) -> Update:
        """Answer with the taught model in every tab."""
        lesson = self.session.memory.recall(kept)
        if lesson is None or lesson.taught is None:
            return {self.tab.link: problem(NOT_TAUGHT)}
        return {
            self.own: self.session.memory.keep(lesson.taught, lesson.size),
            self.title: header(lesson.taught, ONLY_YOU),
            self.tab.link: model_line(lesson.taught, ONLY_YOU),
        }

    def pack(self, kept: Kept[Lesson] | None) -> Update:
        """Put the taught model into the page as a file to save."""
        lesson = self.session.memory.recall(kept)
        if lesson is None or lesson.teacher is None or lesson.taught is None:
            return {self.tab.link: problem(NOT_TAUGHT)}
        try:
            content = lesson.teacher.pack(lesson.taught)
        except ModelLoadError as error:
            return {self.tab.link: problem(str(error))}
        caption = f"Save the model (ZIP, {len(content) / 1e6:.1f} MB)"
        return {self.tab.link: zip_link(content, f"{FOLDER_NAME}.zip", caption)}

    def _add(self, sources: list[bytes] | list[Path], shown: str, kept: Kept[Lesson] | None) -> Update:
        lesson = self.session.memory.recall(kept)
        problems = [FORGOTTEN] if kept and lesson is None else []
        lesson = lesson or Lesson()
        taken, most = list(lesson.snapshots), self.session.limits.snapshots
        for source in sources:
            if sum(snapshot.shown == shown for snapshot in taken) >= most:
                problems.append(f"{most} snapshots of “{shown}” are enough.")
                break
            try:
                if lesson.teacher is None:
                    lesson = replace(lesson, teacher=self.session.teacher)
                taken.append(take_snapshot(self.session, lesson, source, shown))
            except EmotionError as error:
                problems.append(str(error))
        update = self._shown(replace(lesson, snapshots=tuple(taken)))
        return update | {self.tab.message: problem(" ".join(dict.fromkeys(problems))) if problems else ""}

    def _compare(self, source: bytes | Path, kept: Kept[Lesson] | None) -> Update:
        lesson = self.session.memory.recall(kept)
        if lesson is None or lesson.teacher is None or lesson.taught is None:
            return {self.tab.compared: problem(NOT_TAUGHT)}
        try:
            picture, before = find_face(self.session, lesson.teacher, source)
        except EmotionError as error:
            return {self.tab.compared: problem(str(error))}
        [after] = lesson.taught.predict_located(picture, [place_of(before)])
        return {self.tab.compared: before_and_after(before, after, portrait(picture, before, PORTRAIT_SIDE))}

    def _forgotten(self) -> Update:
        return {**self.start_over(), self.tab.message: problem(FORGOTTEN)}

    def _kept(self, lesson: Lesson) -> Kept[Lesson]:
        return self.session.memory.keep(lesson, lesson.size)

    def _shown(self, lesson: Lesson) -> Update:
        tab = self.tab
        portraits = [(snapshot.shown, snapshot.portrait) for snapshot in lesson.snapshots]
        return {
            tab.lesson: self._kept(lesson),
            tab.pictures: None,
            tab.taken: snapshots(lesson.names(self.session), portraits, FOLDS),
            tab.message: "",
        }
