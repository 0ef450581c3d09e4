"""The Live tab: faces in front of the camera, followed from frame to frame."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from emotion.errors import EmotionError
from emotion.model.classifier import EmotionClassifier
from emotion.video.looks import answers_and_looks
from emotion.video.tracking import MISSED_FRAMES, FaceTracker
from emotion.vision.faces import detect_faces_in_frame
from emotion.vision.images import Picture
from emotion.web.camera import STREAMED, front_or_rear, streamed_camera, wire_camera
from emotion.web.components import SHOWN_SIDE, MemoryImage
from emotion.web.events import PRIVATE, SILENT, Update
from emotion.web.html.answer import live_faces, live_overlay
from emotion.web.html.messages import live_welcome, problem
from emotion.web.html.timeline import timeline_chart
from emotion.web.memory import Kept
from emotion.web.photo import PICTURE_HEIGHT, Photo, PhotoTab
from emotion.web.session import Session

# Seconds between camera frames, when the server keeps up.
FRAME_INTERVAL = 0.1


@dataclass
class Watching:
    """What the tab remembers for a visitor: the faces being followed, and the frame of a snapshot.

    Attributes
    ----------
    patience : float
        Seconds without a face after which it is gone, where frames come often.
    frame : numpy.ndarray
        ``uint8`` (H, W, 3), at the size that is shown.
    time : float
        Of that frame, in seconds on a clock that never runs backwards.
    """

    tracker: FaceTracker
    patience: float
    frame: np.ndarray
    time: float


@dataclass(frozen=True)
class LiveTab:
    """The components of the tab."""

    camera: MemoryImage
    facing: gr.Radio
    boxes: gr.HTML
    snapshot: gr.Button
    answers: gr.HTML
    chart: gr.HTML
    watching: gr.State

    @property
    def outputs(self) -> list[Any]:
        """Whatever a frame changes."""
        return [self.watching, self.boxes, self.answers, self.chart]


def build(session: Session) -> LiveTab:
    """Lay out the tab, with the camera off."""
    watching = gr.State(time_to_live=session.limits.remembered_seconds)
    with gr.Row(equal_height=False):
        with gr.Column():
            with gr.Column(elem_id="live-stage"):
                camera = streamed_camera("camera", height=PICTURE_HEIGHT)
                boxes = gr.HTML(elem_id="live-overlay")
            facing = front_or_rear("camera-facing")
            snapshot = gr.Button("Look at this moment in Photo", elem_id="snapshot")
        with gr.Column():
            answers = gr.HTML(live_welcome(), elem_id="live-faces")
            chart = gr.HTML(elem_id="live-chart")
    return LiveTab(
        camera=camera,
        facing=facing,
        boxes=boxes,
        snapshot=snapshot,
        answers=answers,
        chart=chart,
        watching=watching,
    )


def wire(tab: LiveTab, session: Session, own: gr.State, *, tabs: gr.Tabs, photo: PhotoTab) -> None:
    """Connect the events; a snapshot is shown in the Photo tab."""
    live = Live(tab, session)
    watching = tab.camera.stream(
        live.watch,
        [tab.camera, tab.watching, own],
        tab.outputs,
        stream_every=FRAME_INTERVAL,
        time_limit=session.limits.live_minutes * 60,
        concurrency_limit=session.limits.live_visitors,
        **SILENT,
    )
    watching.then(live.stop, outputs=[tab.boxes, tab.answers], **SILENT)
    wire_camera(tab.facing, tab.camera, STREAMED)
    snapshot = Snapshot(tabs, Photo(photo, session))
    tab.snapshot.click(snapshot.show, [tab.watching, own], [tabs, *photo.outputs], **PRIVATE)


class Live:
    """The handlers of the tab."""

    def __init__(self, tab: LiveTab, session: Session) -> None:
        self.tab = tab
        self.session = session

    def watch(
        self, frame: bytes | None, kept: Kept[Watching] | None, own: Kept[EmotionClassifier] | None
    ) -> Update:
        """Look at one frame. The browser sends the next one after the answer: it drops those between."""
        tab = self.tab
        if frame is None:
            return {tab.watching: kept}
        try:
            picture = self.session.open_picture(frame).shown(SHOWN_SIDE).pixels
            classifier = self.session.classifier_for(own)
            found = detect_faces_in_frame(picture, limit=self.session.limits.live_faces)
            predictions, looks = answers_and_looks(classifier, picture, found)
        except EmotionError as error:
            return {tab.boxes: "", tab.answers: problem(str(error))}
        memory = self.session.memory
        watching = self._go_on(memory.recall(kept), classifier, picture)
        tracker = watching.tracker
        faces = tracker.update(predictions, watching.time, looks)
        return {
            tab.watching: memory.keep(watching, picture.nbytes),
            tab.boxes: live_overlay(faces, (picture.shape[1], picture.shape[0])),
            tab.answers: live_faces(faces),
            tab.chart: timeline_chart(
                tracker.timeline, seconds=tracker.history, only={face.id for face in faces}
            ),
        }

    def stop(self) -> Update:
        """Take the boxes away when the camera stops; the timeline stays."""
        return {self.tab.boxes: "", self.tab.answers: live_welcome()}

    def _go_on(self, watching: Watching | None, classifier: EmotionClassifier, frame: np.ndarray) -> Watching:
        """Take in a frame; the faces of another model's labels are followed anew."""
        now = time.monotonic()
        if watching is None or watching.tracker.labels != classifier.labels:
            tracker = FaceTracker(labels=classifier.labels, threshold=classifier.threshold)
            return Watching(tracker, tracker.timeout, frame, now)
        watching.tracker.timeout = max(watching.patience, MISSED_FRAMES * (now - watching.time))
        watching.frame, watching.time = frame, now
        return watching


class Snapshot:
    """Takes the camera's current frame over to the Photo tab."""

    def __init__(self, tabs: gr.Tabs, photo: Photo) -> None:
        self.tabs = tabs
        self.photo = photo

    def show(self, kept: Kept[Watching] | None, own: Kept[EmotionClassifier] | None) -> Update:
        """Open the Photo tab and answer for the frame there."""
        watching = self.photo.session.memory.recall(kept)
        if watching is None:
            raise gr.Error("Turn the camera on first, then take the moment over.", print_exception=False)
        try:
            answer = self.photo.show(Picture.of(watching.frame), own)
        except EmotionError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return {self.tabs: gr.update(selected="photo"), **answer}
