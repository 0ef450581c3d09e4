"""The tab for many pictures: a gallery, totals and a CSV."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
from PIL import Image

from emotion.drawing import annotate
from emotion.errors import EmotionError
from emotion.model.classifier import EmotionClassifier
from emotion.predictions.display import NOT_SURE
from emotion.predictions.face import FacePrediction, PredictionTable
from emotion.vision.images import Picture
from emotion.web.components import MemoryGallery, UploadedFiles, at_shown_size
from emotion.web.html.messages import csv_link, many_summary, problem
from emotion.web.inside.uploads import deleting
from emotion.web.memory import Kept
from emotion.web.service import Service
from emotion.web.tab import PROGRESS, Page, Tab, Update

# Pixels.
GALLERY_SIDE = 640


class Many(Tab):
    """The tab for many pictures."""

    id, title = "many", "Many pictures"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        limits = service.limits
        gr.Markdown(
            f"Up to **{limits.pictures} pictures** at a time, {limits.file_bytes / 1e6:g} MB each, "
            f"{limits.upload_bytes / 1e9:g} GB together."
        )
        self.pictures = UploadedFiles(
            label="Pictures", file_count="multiple", file_types=["image"], height=140, elem_id="pictures"
        )
        self.words = gr.HTML(elem_id="many-summary")
        with gr.Row(equal_height=False):
            self.shares = gr.Label(
                label="Share of all faces",
                show_heading=False,
                visible=False,
                min_width=240,
                elem_id="shares",
            )
            self.gallery = MemoryGallery(
                show_label=False,
                columns=4,
                height="auto",
                visible=False,
                buttons=["fullscreen"],
                scale=3,
                elem_id="gallery",
            )
        self.link = gr.HTML(elem_id="many-csv")

    def wire(self, page: Page) -> None:
        """Connect the upload."""
        outputs = [self.pictures, self.words, self.shares, self.gallery, self.link]
        self.pictures.upload(self.show, [self.pictures, page.own], outputs, api_visibility="private")

    def show(
        self, paths: list[str], own: Kept[EmotionClassifier] | None, progress: gr.Progress = PROGRESS
    ) -> Update:
        """Show a gallery, totals and a CSV; pictures that cannot be read are named."""
        most = self.service.limits.pictures
        rows: list[tuple[str, list[FacePrediction]]] = []
        boxed: list[tuple[Image.Image, str]] = []
        problems: list[tuple[str, str]] = []
        with deleting(*paths):
            try:
                classifier = self.service.classifier_for(own)
            except EmotionError as error:
                return {self.pictures: None, self.words: problem(str(error))}
            for path in progress.tqdm(paths[:most], desc="Looking at the pictures"):
                name = Path(path).name
                try:
                    picture = self.service.open_picture(Path(path))
                    faces = classifier.predict(picture)
                except EmotionError as error:
                    problems.append((name, str(error)))
                    continue
                rows.append((name, faces))
                boxed.append((_boxed(picture, faces), f"{name}: {', '.join(_answers(faces)) or 'no face'}"))
        if len(paths) > most:
            problems.append((f"{len(paths) - most} more", f"At most {most} pictures at a time."))
        answers = Counter(answer for _, faces in rows for answer in _answers(faces))
        link = csv_link(_csv(rows, classifier.labels), "emotions.csv", "Download the CSV")
        return {
            self.pictures: None,
            self.gallery: gr.update(value=boxed, visible=bool(boxed)),
            self.shares: gr.update(
                value={answer: number / answers.total() for answer, number in answers.items()},
                visible=bool(answers),
            ),
            self.words: many_summary(len(rows), answers.total(), problems),
            self.link: link if rows else "",
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
