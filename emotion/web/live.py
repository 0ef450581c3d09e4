"""The Live tab: faces in front of the camera, followed from frame to frame."""

from __future__ import annotations

import time
from dataclasses import dataclass

import gradio as gr
import numpy as np

from emotion.errors import EmotionError
from emotion.model.classifier import EmotionClassifier
from emotion.video.follow import answers_and_looks
from emotion.video.tracking import MISSED_FRAMES, FaceTracker
from emotion.vision.faces import detect_faces_in_frame
from emotion.vision.images import Picture
from emotion.web.camera import CAMERAS, STREAMED, front_or_rear, streamed_camera, wire_camera
from emotion.web.components import SHOWN_SIDE
from emotion.web.html.answer import live_faces, live_overlay, timeline_chart
from emotion.web.html.messages import live_welcome, problem
from emotion.web.memory import Kept
from emotion.web.photo import PICTURE_HEIGHT, Photo
from emotion.web.service import Service
from emotion.web.tab import PRIVATE, SILENT, Page, Tab, Update, state

# Seconds between camera frames, when the server keeps up.
FRAME_INTERVAL = 0.1


@dataclass
class Watching:
    """What the tab remembers for a visitor: the faces being followed, and the frame of a snapshot.

    A face is gone after `patience` seconds, where frames come often. `frame` is uint8 (H, W, 3) at the size
    that is shown, `time` its seconds on the monotonic clock.
    """

    tracker: FaceTracker
    patience: float
    frame: np.ndarray
    time: float


class Live(Tab):
    """The tab with the camera."""

    id, title = "live", "Live"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.watching = state(service)
        self.forgets = [self.watching]
        with gr.Row(equal_height=False):
            with gr.Column():
                with gr.Column(elem_id="live-stage"):
                    self.camera = streamed_camera("camera", height=PICTURE_HEIGHT)
                    self.boxes = gr.HTML(elem_id="live-overlay")
                self.facing = front_or_rear("camera-facing")
                self.snapshot = gr.Button("Look at this moment in Photo", elem_id="snapshot")
            with gr.Column():
                self.answers = gr.HTML(live_welcome(), elem_id="live-faces")
                self.chart = gr.HTML(elem_id="live-chart")

    def wire(self, page: Page) -> None:
        """Connect the events; a snapshot is shown in the Photo tab."""
        limits = self.service.limits
        streaming = self.camera.stream(
            self.watch,
            [self.camera, self.watching, page.own],
            [self.watching, self.boxes, self.answers, self.chart],
            stream_every=FRAME_INTERVAL,
            time_limit=limits.live_minutes * 60,
            concurrency_limit=limits.live_visitors,
            concurrency_id=CAMERAS,
            **SILENT,
        )
        streaming.then(self.stop, outputs=[self.boxes, self.answers], **SILENT)
        wire_camera(self.facing, self.camera, STREAMED)
        self.bar = page.bar
        [self.photo] = [tab for tab in page.tabs if isinstance(tab, Photo)]
        outputs = [self.bar, *self.photo.outputs]
        self.snapshot.click(self.take_over, [self.watching, page.own], outputs, **PRIVATE)

    def watch(
        self, frame: bytes | None, kept: Kept[Watching] | None, own: Kept[EmotionClassifier] | None
    ) -> Update:
        """Look at one frame. The browser sends the next one after the answer: it drops those between."""
        if frame is None:
            return {self.watching: kept}
        try:
            picture = self.service.open_picture(frame).shown(SHOWN_SIDE).pixels
            classifier = self.service.classifier_for(own)
            found = detect_faces_in_frame(picture, limit=self.service.limits.live_faces)
            predictions, looks = answers_and_looks(classifier, picture, found)
        except EmotionError as error:
            return {self.boxes: "", self.answers: problem(str(error))}
        memory = self.service.memory
        watching = self._go_on(memory.recall(kept), classifier, picture)
        tracker = watching.tracker
        faces = tracker.update(predictions, watching.time, looks)
        return {
            self.watching: memory.keep(watching, picture.nbytes),
            self.boxes: live_overlay(faces, (picture.shape[1], picture.shape[0])),
            self.answers: live_faces(faces),
            self.chart: timeline_chart(
                tracker.timeline, seconds=tracker.history, only={face.id for face in faces}
            ),
        }

    def stop(self) -> Update:
        """Take the boxes away when the camera stops; the timeline stays."""
        return {self.boxes: "", self.answers: live_welcome()}

    def take_over(self, kept: Kept[Watching] | None, own: Kept[EmotionClassifier] | None) -> Update:
        """Open the Photo tab and answer for the frame there."""
        watching = self.service.memory.recall(kept)
        if watching is None:
            raise gr.Error("Turn the camera on first, then take the moment over.", print_exception=False)
        try:
            answer = self.photo.show(Picture.of(watching.frame), own)
        except EmotionError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return {self.bar: gr.update(selected="photo"), **answer}

    def _go_on(self, watching: Watching | None, classifier: EmotionClassifier, frame: np.ndarray) -> Watching:
        """Take in a frame; the faces of another model's labels are followed anew."""
        now = time.monotonic()
        if watching is None or watching.tracker.labels != classifier.labels:
            tracker = FaceTracker(labels=classifier.labels, threshold=classifier.threshold)
            return Watching(tracker, tracker.timeout, frame, now)
        watching.tracker.timeout = max(watching.patience, MISSED_FRAMES * (now - watching.time))
        watching.frame, watching.time = frame, now
        return watching
