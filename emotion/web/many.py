"""The tab for many pictures: a gallery, totals and a CSV."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from emotion.drawing import annotate
from emotion.errors import EmotionError
from emotion.model.classifier import EmotionClassifier
from emotion.predictions.display import NOT_SURE
from emotion.predictions.face import FacePrediction
from emotion.predictions.table import PredictionTable
from emotion.vision.images import Picture
from emotion.web.components import MemoryGallery, UploadedFiles
from emotion.web.events import PROGRESS, Update
from emotion.web.html.messages import csv_link, many_summary, problem
from emotion.web.memory import Kept
from emotion.web.session import Session
from emotion.web.shown import at_shown_size

# Pixels.
GALLERY_SIDE = 640


@dataclass(frozen=True)
class ManyTab:
    """The components of the tab."""

    pictures: UploadedFiles
    words: gr.HTML
    shares: gr.Label
    gallery: MemoryGallery
    link: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """Whatever an upload changes."""
        return [self.pictures, self.words, self.shares, self.gallery, self.link]


def build(session: Session) -> ManyTab:
    """Lay out the tab, empty."""
    limits = session.limits
    gr.Markdown(
        f"Up to **{limits.pictures} pictures** at a time, {limits.file_bytes / 1e6:g} MB each, "
        f"{limits.upload_bytes / 1e9:g} GB together."
    )
    pictures = UploadedFiles(
        label="Pictures", file_count="multiple", file_types=["image"], height=140, elem_id="pictures"
    )
    words = gr.HTML(elem_id="many-summary")
    with gr.Row(equal_height=False):
        shares = gr.Label(
            label="Share of all faces", show_heading=False, visible=False, min_width=240, elem_id="shares"
        )
        gallery = MemoryGallery(
            show_label=False,
            columns=4,
            height="auto",
            visible=False,
            buttons=["fullscreen"],
            scale=3,
            elem_id="gallery",
        )
    link = gr.HTML(elem_id="many-csv")
    return ManyTab(pictures=pictures, words=words, shares=shares, gallery=gallery, link=link)


def wire(tab: ManyTab, session: Session, own: gr.State) -> None:
    """Connect the one event."""
    tab.pictures.upload(Many(tab, session).show, [tab.pictures, own], tab.outputs, api_visibility="private")


class Many:
    """The handler of the tab."""

    def __init__(self, tab: ManyTab, session: Session) -> None:
        self.tab = tab
        self.session = session

    def show(
        self, paths: list[str], own: Kept[EmotionClassifier] | None, progress: gr.Progress = PROGRESS
    ) -> Update:
        """Show a gallery, totals and a CSV; pictures that cannot be read are named."""
        tab, most = self.tab, self.session.limits.pictures
        rows: list[tuple[str, list[FacePrediction]]] = []
        boxed: list[tuple[Image.Image, str]] = []
        problems: list[tuple[str, str]] = []
        with self.session.uploads.using(*paths):
            try:
                classifier = self.session.classifier_for(own)
            except EmotionError as error:
                return {tab.pictures: None, tab.words: problem(str(error))}
            for path in progress.tqdm(paths[:most], desc="Looking at the pictures"):
                name = Path(path).name
                try:
                    picture = self.session.open_picture(Path(path))
                    faces = classifier.predict(picture)
                except EmotionError as error:
                    problems.append((name, str(error)))
                    continue
                rows.append((name, faces))
                boxed.append((_boxed(picture, faces), f"{name}: {', '.join(_answers(faces)) or 'no face'}"))
        if len(paths) > most:
            problems.append((f"{len(paths) - most} more", f"only {most} pictures are taken at a time."))
        answers = Counter(answer for _, faces in rows for answer in _answers(faces))
        link = csv_link(_csv(rows, classifier.labels), "emotions.csv", "Download the CSV")
        return {
            tab.pictures: None,
            tab.gallery: gr.update(value=boxed, visible=bool(boxed)),
            tab.shares: gr.update(
                value={answer: number / answers.total() for answer, number in answers.items()},
                visible=bool(answers),
            ),
            tab.words: many_summary(len(rows), answers.total(), problems),
            tab.link: link if rows else "",
        }


def _answers(faces: list[FacePrediction]) -> list[str]:
    return [face.label or NOT_SURE for face in faces]


def _csv(rows: list[tuple[str, list[FacePrediction]]], labels: Sequence[str]) -> str:
    file = io.StringIO()
    table = PredictionTable(file, labels)
    for name, faces in rows:
        table.write(name, faces)
    return file.getvalue()


def _boxed(picture: Picture, faces: list[FacePrediction]) -> Image.Image:
    return annotate(*at_shown_size(picture, faces, GALLERY_SIDE))
