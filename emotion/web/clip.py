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
from emotion.web.html.answer import timeline_chart
from emotion.web.html.messages import csv_link, no_face, problem, video_player
from emotion.web.inside.results import FETCH, offer
from emotion.web.inside.uploads import deleting
from emotion.web.language import LATER, words_of
from emotion.web.memory import Kept
from emotion.web.service import Service
from emotion.web.tab import ANNOUNCED, PRIVATE, PROGRESS, SILENT, Page, Tab, Update
from emotion.web.zone import CLIPS, given_sources, zone


class Clip(Tab):
    """The tab for a video file."""

    id = "video"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        limits = service.limits
        allowed = LATER(
            "video.limits",
            seconds=f"{limits.clip_seconds:g}",
            size=f"{limits.file_bytes / 1e6:g}",
            command=f'<code dir="ltr">{COMMAND} clip.mp4 --annotate out</code>',
        )
        gr.HTML(f"<p>{allowed}</p>")
        self.zone = zone(service, "clip", drop="video.drop", choose="video.choose", accept=CLIPS)
        with gr.Row(equal_height=False):
            self.annotated = gr.HTML(elem_id="annotated-clip", js_on_load=ANNOUNCED)
            self.chart = gr.HTML(elem_id="clip-chart")

    def wire(self, page: Page) -> None:
        """Connect the upload."""
        self.zone.given(
            self.show,
            page.own,
            [self.annotated, self.chart],
            concurrency_limit=self.service.limits.long_work,
            show_progress_on=self.zone,
            **PRIVATE,
        ).then(None, js=FETCH, **SILENT)

    def show(
        self,
        own: Kept[EmotionClassifier] | None,
        event: gr.EventData,
        request: gr.Request | None = None,
        progress: gr.Progress = PROGRESS,
    ) -> Update:
        """Show the annotated clip, and a timeline per face with its CSV."""
        say = words_of(request)
        sources = given_sources(event)
        if not sources or not isinstance(path := sources[0], Path):
            return {self.annotated: "", self.chart: ""}

        def looked(part: float) -> None:
            progress(part, desc=say("video.looking"))

        most = self.service.limits.clip_seconds
        moments: list[Moment] = []
        try:
            with deleting(*sources):
                classifier = self.service.classifier_for(own)
                with IsolatedClip(path, max_seconds=most) as clip:
                    follow_faces(classifier, clip, record=moments.append, write=clip.write, progress=looked)
                    result = offer(clip.finish(), most=self.service.limits.disk_bytes)
        except EmotionError as error:
            return {self.annotated: problem(error, say), self.chart: ""}
        timeline = Timeline(classifier.labels, tuple(moments))
        link = csv_link(timeline.to_csv(path.name), f"{path.stem}-timeline.csv", say("video.csv"))
        return {
            self.annotated: video_player(result, f"{path.stem}-faces.mp4", say),
            self.chart: (timeline_chart(timeline, say=say) + link) if moments else no_face(say),
        }
