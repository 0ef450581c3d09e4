"""The tab for a video file: the clip with a box around every face, and a timeline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from emotion.errors import EmotionError
from emotion.model.classifier import EmotionClassifier
from emotion.untrusted.clips import IsolatedClip
from emotion.video.follow import follow_faces
from emotion.video.tracking import Moment, Timeline
from emotion.web.components import UploadedFiles
from emotion.web.events import PROGRESS, Update
from emotion.web.html.messages import csv_link, no_face, problem, video_player
from emotion.web.html.timeline import timeline_chart
from emotion.web.memory import Kept
from emotion.web.session import Session


@dataclass(frozen=True)
class ClipTab:
    """The components of the tab."""

    clip: UploadedFiles
    annotated: gr.HTML
    chart: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """Whatever a clip changes."""
        return [self.clip, self.annotated, self.chart]


def build(session: Session) -> ClipTab:
    """Lay out the tab, empty."""
    limits = session.limits
    gr.Markdown(
        f"Clips of up to **{limits.clip_seconds:g} seconds** and {limits.file_bytes / 1e6:g} MB "
        "(MP4, MOV, WebM, MKV or AVI). Longer ones go through the shell: "
        "`python -m emotion clip.mp4 --annotate out`"
    )
    clip = UploadedFiles(label="Clip", file_types=["video"], height=140, elem_id="clip")
    with gr.Row(equal_height=False):
        annotated = gr.HTML(elem_id="annotated-clip")
        chart = gr.HTML(elem_id="clip-chart")
    return ClipTab(clip=clip, annotated=annotated, chart=chart)


def wire(tab: ClipTab, session: Session, own: gr.State) -> None:
    """Connect the one event."""
    tab.clip.upload(Clip(tab, session).show, [tab.clip, own], tab.outputs, api_visibility="private")


class Clip:
    """The handler of the tab."""

    def __init__(self, tab: ClipTab, session: Session) -> None:
        self.tab = tab
        self.session = session

    def show(
        self, paths: list[str], own: Kept[EmotionClassifier] | None, progress: gr.Progress = PROGRESS
    ) -> Update:
        """Show the annotated clip, and a timeline per face with its CSV."""
        tab = self.tab
        if not paths:
            return {tab.annotated: "", tab.chart: ""}

        def looked(part: float) -> None:
            progress(part, desc="Looking at the clip")

        path, classifier = Path(paths[0]), self.session.classifier_for(own)
        moments: list[Moment] = []
        try:
            with (
                self.session.uploads.using(*paths),
                IsolatedClip(path, max_seconds=self.session.limits.clip_seconds) as clip,
            ):
                follow_faces(classifier, clip, record=moments.append, write=clip.write, progress=looked)
                result = clip.finish()
        except EmotionError as error:
            return {tab.clip: None, tab.annotated: problem(str(error)), tab.chart: ""}
        timeline = Timeline(classifier.labels, tuple(moments))
        link = csv_link(timeline.to_csv(path.name), "timeline.csv", "Download the timeline (CSV)")
        return {
            tab.clip: None,
            tab.annotated: video_player(result),
            tab.chart: (timeline_chart(timeline) + link) if moments else no_face(),
        }
