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
from emotion.predictions.face import FacePrediction, PredictionTable
from emotion.vision.images import Picture
from emotion.web.components import at_shown_size, data_url
from emotion.web.html.messages import csv_link, gallery, many_summary, problem, shares
from emotion.web.inside.uploads import deleting
from emotion.web.language import LATER, Words, words_of
from emotion.web.memory import Kept
from emotion.web.photo import in_words
from emotion.web.service import Service
from emotion.web.tab import ANNOUNCED, PRIVATE, PROGRESS, Page, Tab, Update
from emotion.web.zone import given_sources, zone

# Pixels.
GALLERY_SIDE = 640


# A picture of the gallery fills the screen when it is clicked.
ENLARGE = (
    "element.addEventListener('click',"
    " ({ target }) => target.matches('img') && target.requestFullscreen?.());"
)


class Many(Tab):
    """The tab for many pictures."""

    id = "many"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        limits = service.limits
        allowed = LATER(
            "many.limits",
            pictures=limits.pictures,
            each=f"{limits.file_bytes / 1e6:g}",
            together=f"{limits.upload_bytes / 1e9:g}",
        )
        gr.HTML(f"<p>{allowed}</p>")
        self.zone = zone(service, "pictures", drop="many.drop", choose="many.choose", several=True)
        self.words = gr.HTML(elem_id="many-summary", js_on_load=ANNOUNCED)
        with gr.Row(equal_height=False):
            self.shares = gr.HTML(min_width=240, elem_id="shares")
            self.gallery = gr.HTML(elem_id="gallery", js_on_load=ENLARGE)
        self.link = gr.HTML(elem_id="many-csv")

    def wire(self, page: Page) -> None:
        """Connect the upload."""
        outputs = [self.words, self.shares, self.gallery, self.link]
        self.zone.given(self.show, page.own, outputs, show_progress_on=self.zone, **PRIVATE)

    def show(
        self,
        own: Kept[EmotionClassifier] | None,
        event: gr.EventData,
        request: gr.Request | None = None,
        progress: gr.Progress = PROGRESS,
    ) -> Update:
        """Show a gallery, totals and a CSV; pictures that cannot be read are named."""
        say = words_of(request)
        sources = given_sources(event)
        most = self.service.limits.pictures
        rows: list[tuple[str, list[FacePrediction]]] = []
        boxed: list[tuple[str, str, str]] = []
        problems: list[tuple[str, str]] = []
        with deleting(*sources):
            try:
                classifier = self.service.classifier_for(own)
            except EmotionError as error:
                return self._shown(problem(error, say))
            for source in progress.tqdm(sources[:most], desc=say("many.looking")):
                name = source.name if isinstance(source, Path) else "picture"
                try:
                    picture = self.service.open_picture(source)
                    faces = classifier.predict(picture)
                except EmotionError as error:
                    problems.append((name, say.error(error)))
                    continue
                rows.append((name, faces))
                answers = say.listed([face.label for face in faces]) or say("many.noface")
                boxed.append((data_url(_boxed(picture, faces, say)), answers, name))
        if len(sources) > most:
            problems.append((say("many.more", number=len(sources) - most), say("many.most", most=most)))
        answers = Counter(face.label for _, faces in rows for face in faces)
        return self._shown(
            many_summary(len(rows), answers.total(), problems, say),
            shares(answers, say),
            gallery(boxed),
            csv_link(_csv(rows, classifier.labels), "emotions.csv", say("many.csv")) if rows else "",
        )

    def _shown(self, words: str, shown: str = "", pictures: str = "", link: str = "") -> Update:
        """Return what an answer changes: what was there before goes."""
        return {self.words: words, self.shares: shown, self.gallery: pictures, self.link: link}


def _csv(rows: list[tuple[str, list[FacePrediction]]], labels: Sequence[str]) -> str:
    file = io.StringIO()
    table = PredictionTable(file, labels)
    for name, faces in rows:
        table.write(name, faces)
    return file.getvalue()


def _boxed(picture: Picture, faces: list[FacePrediction], say: Words) -> Image.Image:
    return annotate(*at_shown_size(picture, faces, GALLERY_SIDE), named=in_words(say))
