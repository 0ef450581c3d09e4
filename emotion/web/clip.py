"""The tab for a video file: the clip with a box around every face, and a timeline."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from emotion.errors import EmotionError
from emotion.model.classifier import EmotionClassifier
from emotion.program import COMMAND
from emotion.untrusted.clips import IsolatedClip
from emotion.video.follow import follow_faces
from emotion.video.tracking import Moment, Timeline
from emotion.web.components import UploadedFiles
from emotion.web.html.answer import timeline_chart
from emotion.web.html.messages import csv_link, no_face, problem, video_player
from emotion.web.inside.results import FETCH, offer
from emotion.web.inside.uploads import deleting
from emotion.web.memory import Kept
from emotion.web.service import Service
from emotion.web.tab import PROGRESS, SILENT, Page, Tab, Update


class Clip(Tab):
    """The tab for a video file."""

    id, title = "video", "Video file"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        limits = service.limits
        gr.Markdown(
            f"Clips of up to **{limits.clip_seconds:g} seconds** and {limits.file_bytes / 1e6:g} MB "
            "(MP4, MOV, WebM, MKV or AVI). For longer ones, use the shell: "
            f"`{COMMAND} clip.mp4 --annotate out`"
        )
        self.clip = UploadedFiles(label="Clip", file_types=["video"], height=140, elem_id="clip")
        with gr.Row(equal_height=False):
            self.annotated = gr.HTML(elem_id="annotated-clip")
            self.chart = gr.HTML(elem_id="clip-chart")

    def wire(self, page: Page) -> None:
        """Connect the upload."""
        outputs = [self.clip, self.annotated, self.chart]
        self.clip.upload(
            self.show,
            [self.clip, page.own],
            outputs,
            concurrency_limit=self.service.limits.long_work,
            api_visibility="private",
        ).then(None, js=FETCH, **SILENT)

    def show(
        self, paths: list[str], own: Kept[EmotionClassifier] | None, progress: gr.Progress = PROGRESS
    ) -> Update:
        """Show the annotated clip, and a timeline per face with its CSV."""
        if not paths:
            return {self.annotated: "", self.chart: ""}

        def looked(part: float) -> None:
            progress(part, desc="Looking at the clip")

        path, most = Path(paths[0]), self.service.limits.clip_seconds
        moments: list[Moment] = []
        try:
            with deleting(*paths):
                classifier = self.service.classifier_for(own)
                with IsolatedClip(path, max_seconds=most) as clip:
                    follow_faces(classifier, clip, record=moments.append, write=clip.write, progress=looked)
                    result = offer(clip.finish(), most=self.service.limits.disk_bytes)
        except EmotionError as error:
            return {self.clip: None, self.annotated: problem(str(error)), self.chart: ""}
        timeline = Timeline(classifier.labels, tuple(moments))
        link = csv_link(timeline.to_csv(path.name), "timeline.csv", "Download the timeline (CSV)")
        return {
            self.clip: None,
            self.annotated: video_player(result),
            self.chart: (timeline_chart(timeline) + link) if moments else no_face(),
        }
