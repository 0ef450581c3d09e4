"""The Gradio page, its API and its event wiring; the entry point of a Space.

`python app.py` starts it. EMOTION_MODEL=owner/name[@revision] or a folder picks the model.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import tempfile
import time
from collections import Counter
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image
from starlette.middleware import Middleware

from emotion import EmotionClassifier, EmotionError, page
from emotion.classifier import FacePrediction
from emotion.components import (
    SHOWN_SIDE,
    MemoryGallery,
    MemoryImage,
    UploadedFiles,
    Uploads,
    data_url,
    without_false_alarms,
)
from emotion.drawing import NOT_SURE, annotate
from emotion.explain import HOW_TO_READ, heatmap, overlay, where
from emotion.tracking import FaceTracker
from emotion.video import MAX_SECONDS, annotate_clip
from emotion.vision.crop import crop_face, crop_square
from emotion.vision.faces import detect_faces
from emotion.vision.images import open_image

EXAMPLES = Path(__file__).parent / "examples"
PICTURE_HEIGHT = 440  # pixels
MOST_FILES = 50  # pictures per request on the tab for many
MOST_LIVE_FACES = 5  # people in front of one camera
MOST_LIVE_VISITORS = 16  # cameras at the same time; further ones wait for their turn
FRAME_INTERVAL = 0.1  # seconds between camera frames, when the server keeps up
LIVE_MINUTES = 15  # a forgotten tab gives its turn back after this time
TIMELINE_SECONDS = 30
FACE_TIMEOUT = 0.7  # seconds without a face after which it is gone, where frames come that often
CAMERA = {"width": {"ideal": 640}, "height": {"ideal": 480}, "facingMode": "user"}  # small frames travel fast
STATE_SECONDS = 3600  # how long an idle visitor's last picture stays in memory
HUB_REFERENCE = re.compile(r"\w[\w.-]*/\w[\w.-]*(@\w[\w./-]*)?")


@dataclasses.dataclass(frozen=True)
class Analysis:
    """A picture, its faces and the one that is selected: what the Photo tab remembers for its visitor."""

    picture: np.ndarray
    predictions: list[FacePrediction]
    selected: int = 0


@dataclasses.dataclass
class LiveSession:
    """One visitor's camera: the faces being followed and the frame that a snapshot would take."""

    tracker: FaceTracker
    frame: np.ndarray
    time: float  # of that frame, in seconds on a clock that never runs backwards


CLASSIFIER = EmotionClassifier.from_pretrained_or_default(os.environ.get("EMOTION_MODEL"))
uploads = Uploads()
PROGRESS = gr.Progress()  # as a default value, it asks Gradio for a progress bar


# --- Photo ---------------------------------------------------------------------------------------------------------


def classify(picture: bytes | Path | None) -> dict:
    """Find the faces in a picture and say how each one looks: angry, happy, sad, or not sure.

    Args:
        picture: The picture to look at, of any usual format and orientation.

    Returns:
        The model, its revision, and for every face, largest first, its box (x, y, width, height in pixels of the
        upright picture), label (null when the model is not sure, with the reason), confidence and probabilities.
    """
    if picture is None:
        raise gr.Error("There is no picture. Send one as the first argument.", print_exception=False)
    with uploads.using(picture):
        try:
            faces = CLASSIFIER.predict(picture)
        except EmotionError as error:
            raise gr.Error(in_words(error, picture), print_exception=False) from error
    return {
        "model": CLASSIFIER.model_name,
        "revision": CLASSIFIER.revision,
        "faces": [face.to_dict() for face in faces],
    }


def in_words(error: EmotionError, source: object) -> str:
    """Return an error's message without the place where the server kept the file."""
    return str(error).replace(str(source), "The file") if isinstance(source, (str, Path)) else str(error)


def analyse_upload(source: bytes | Path, own_model: EmotionClassifier | None):
    """Classify what the visitor uploaded, dropped, pasted or photographed."""
    with uploads.using(source):
        return analyse(source, own_model)


def analyse_example(own_model: EmotionClassifier | None, event: gr.SelectData):
    """Classify the example that was clicked."""
    return analyse(example_files()[event.index], own_model)


def analyse_snapshot(session: LiveSession | None, own_model: EmotionClassifier | None):
    """Take the camera's current frame over to the Photo tab."""
    if session is None:
        raise gr.Error("Turn the camera on first, then take the moment over.", print_exception=False)
    return {tabs: gr.update(selected="photo"), **analyse(session.frame, own_model)}


def analyse(source: bytes | Path | np.ndarray, own_model: EmotionClassifier | None):
    """Classify a picture and show the answer on the Photo tab."""
    try:
        picture = open_image(source)
    except EmotionError as error:
        return {**clear_photo(), verdict: page.problem(in_words(error, source))}
    predictions = (own_model or CLASSIFIER).predict(picture)
    if not predictions:
        return {**clear_photo(), photo: picture, verdict: page.no_face()}
    return show_analysis(Analysis(picture, predictions))


def select_card(analysis: Analysis | None, event: gr.EventData):
    """Select the face whose card was clicked."""
    if analysis is None:
        return forgotten()
    return show_analysis(dataclasses.replace(analysis, selected=int(event.index)))


def select_point(analysis: Analysis | None, event: gr.SelectData):
    """Select the face that was clicked in the picture, the smallest one where boxes overlap."""
    if analysis is None:
        return forgotten()
    scale = max(1.0, max(analysis.picture.shape[:2]) / SHOWN_SIDE)
    across, down = (coordinate * scale for coordinate in event.index)
    hits = [
        (width * height, index)
        for index, (x, y, width, height) in enumerate(face.box for face in analysis.predictions)
        if x <= across < x + width and y <= down < y + height
    ]
    return (
        show_analysis(dataclasses.replace(analysis, selected=min(hits)[1])) if hits else {verdict: gr.skip()}
    )


def show_analysis(shown: Analysis):
    """Show the boxed picture instead of the empty one, and the answer for the selected face."""
    faces, selected, several = shown.predictions, shown.selected, len(shown.predictions) > 1
    portraits = [data_url(crop_square(shown.picture, face.box, size=128, channels=3)) for face in faces]
    return {
        photo: gr.update(value=None, visible=False),
        boxed: gr.update(
            value=annotate(shown.picture, faces, selected=selected if several else None),
            visible=True,
        ),
        another: gr.update(visible=True),
        analysis: shown,
        verdict: page.verdict(faces[selected], selected + 1, len(faces), portraits[selected]),
        probabilities: gr.update(value=faces[selected].probabilities, visible=True),
        cards: gr.update(value=page.face_cards(faces, portraits, selected), visible=several),
        why: gr.update(visible=True),
        reasons: gr.update(visible=False),
    }


def clear_photo():
    """Forget the picture and show the empty Photo tab."""
    hidden = gr.update(visible=False)
    return {
        photo: gr.update(value=None, visible=True),
        boxed: gr.update(value=None, visible=False),
        another: hidden,
        analysis: None,
        verdict: page.welcome(),
        probabilities: hidden,
        cards: hidden,
        why: hidden,
        reasons: hidden,
    }


def forgotten():
    """Say that the picture is no longer in memory."""
    return {
        **clear_photo(),
        verdict: page.problem("This picture was forgotten after an hour. Add it once more."),
    }


def explain(analysis: Analysis | None, own_model: EmotionClassifier | None):
    """Show which parts of the selected face the answer rests on."""
    if analysis is None:
        return forgotten()
    classifier = own_model or CLASSIFIER
    prediction = analysis.predictions[analysis.selected]
    crop = crop_face(analysis.picture, prediction, size=classifier.input_size, channels=classifier.channels)
    best = max(prediction.probabilities, key=prediction.probabilities.get)
    warmth = heatmap(classifier, crop, label=best)
    portrait = crop_face(analysis.picture, prediction, size=320, channels=3)
    return {
        heat: gr.update(
            value=overlay(portrait, warmth), alt_text=f"Heatmap: “{best}” rests most {where(warmth)}"
        ),
        heat_words: f"“{best}” rests most **{where(warmth)}**. {HOW_TO_READ}",
        reasons: gr.update(visible=True),
    }


# --- Live ----------------------------------------------------------------------------------------------------------


def watch(frame: bytes | None, session: LiveSession | None, own_model: EmotionClassifier | None):
    """Look at one frame of the camera. The browser sends the next one after the answer: it drops those between."""
    if frame is None:
        return {live_session: session}
    classifier = own_model or CLASSIFIER
    picture, now = open_image(frame), time.monotonic()
    if session is None or session.tracker.labels != classifier.labels:
        session = LiveSession(new_tracker(classifier), picture, now)
    # A busy server sees few frames: a face that is in two that follow each other is still the same.
    session.tracker.timeout = max(FACE_TIMEOUT, 1.5 * (now - session.time))
    session.frame, session.time = picture, now
    predictions = classifier.predict_detected(picture, detect_faces(picture, limit=MOST_LIVE_FACES))
    faces = session.tracker.update(predictions, now)
    return {
        live_session: session,
        live_boxes: page.live_overlay(faces, (picture.shape[1], picture.shape[0])),
        live_answers: page.live_faces(faces),
        live_chart: page.timeline_chart(
            session.tracker.timeline, seconds=TIMELINE_SECONDS, only={face.id for face in faces}
        ),
    }


def stop_watching():
    """Take the boxes away when the camera stops; the timeline stays."""
    return {live_boxes: "", live_answers: page.live_welcome()}


def new_tracker(classifier: EmotionClassifier) -> FaceTracker:
    """Start following faces with a model's labels."""
    return FaceTracker(
        labels=classifier.labels,
        threshold=classifier.threshold,
        history=TIMELINE_SECONDS,
    )


# --- Video file and many pictures ----------------------------------------------------------------------------------


def annotate_video(paths: list[str], own_model: EmotionClassifier | None, progress: gr.Progress = PROGRESS):
    """Show the annotated clip, and a timeline per face with its CSV."""
    if not paths:
        return {annotated_clip: "", clip_chart: ""}
    with uploads.using(*paths), tempfile.TemporaryDirectory(prefix="emotion-") as folder:
        result, table = Path(folder, "clip.mp4"), Path(folder, "timeline.csv")
        try:
            timeline = annotate_clip(
                own_model or CLASSIFIER,
                paths[0],
                result,
                progress=lambda part: progress(part, desc="Looking at the clip"),
            )
        except EmotionError as error:
            return {clip: None, annotated_clip: page.problem(str(error)), clip_chart: ""}
        timeline.to_csv(table)
        link = page.download_link(table.read_text("utf-8"), "timeline.csv", "Download the timeline (CSV)")
        return {
            clip: None,
            annotated_clip: page.video_player(result.read_bytes()),
            clip_chart: (page.timeline_chart(timeline) + link) if timeline.moments else page.no_face(),
        }


def classify_many(paths: list[str], own_model: EmotionClassifier | None, progress: gr.Progress = PROGRESS):
    """Show a gallery, totals and a CSV for several pictures; those that cannot be read are named."""
    classifier = own_model or CLASSIFIER
    rows, boxes, problems = [], [], []
    with uploads.using(*paths):
        for path in progress.tqdm(paths[:MOST_FILES], desc="Looking at the pictures"):
            name = Path(path).name
            try:
                picture = open_image(Path(path))
            except EmotionError as error:
                problems.append((name, in_words(error, path)))
                continue
            faces = classifier.predict(picture)
            rows.append((name, faces))
            caption = ", ".join(face.label or NOT_SURE for face in faces) or "no face"
            boxes.append((reduced(annotate(picture, faces)), f"{name}: {caption}"))
    if len(paths) > MOST_FILES:
        problems.append(
            (f"{len(paths) - MOST_FILES} more", f"only {MOST_FILES} pictures are taken at a time.")
        )
    answers = Counter(face.label or NOT_SURE for _, faces in rows for face in faces)
    link = page.download_link(
        page.predictions_csv(rows, classifier.labels), "emotions.csv", "Download the CSV"
    )
    return {
        pictures: None,
        gallery: gr.update(value=boxes, visible=bool(boxes)),
        shares: gr.update(
            value={answer: count / answers.total() for answer, count in answers.items()},
            visible=bool(answers),
        ),
        many_words: page.many_summary(len(rows), answers.total(), problems),
        many_link: link if rows else "",
    }


def reduced(image: Image.Image) -> Image.Image:
    """Make a picture small enough for a gallery."""
    image.thumbnail((640, 640))
    return image


# --- Model ---------------------------------------------------------------------------------------------------------


def try_model(reference: str, progress: gr.Progress = PROGRESS):
    """Load another model from the Hub for this visitor alone."""
    reference = reference.strip()
    if not HUB_REFERENCE.fullmatch(reference) or Path(reference.partition("@")[0]).exists():
        return {
            model_words: page.problem("Write the model as owner/name or owner/name@revision, as on the Hub.")
        }
    progress(0, desc=f"Loading {reference}")
    try:
        # token=False: a visitor must not read private models with the rights of whoever runs this page.
        classifier = EmotionClassifier.from_pretrained(reference, token=False)
    except EmotionError as error:
        return {model_words: page.problem(f"{error} Until then, the model below goes on answering.")}
    return show_model(classifier, "Only you get answers from this model; other visitors keep theirs.")


def use_default_model():
    """Go back to the model that everybody gets."""
    return {**show_model(CLASSIFIER), own_model: None}


def show_model(classifier: EmotionClassifier, notice: str | None = None):
    """Make a model this visitor's own and show what is known about it."""
    return {
        own_model: classifier,
        model_words: page.model_line(classifier, notice),
        title: page.header(classifier, notice),
        report: page.model_summary(classifier),
        card: page.card_text(classifier.card),
    }


# --- The page ------------------------------------------------------------------------------------------------------


def example_files() -> list[Path]:
    """Return the example pictures in the order of their names."""
    return sorted(path for path in EXAMPLES.iterdir() if path.suffix in (".jpg", ".png", ".webp"))


def example_thumbnails() -> list[tuple[Image.Image, str]]:
    """Return small versions of the examples, captioned with their file names in words."""
    thumbnails = []
    for path in example_files():
        image = Image.open(path).convert("RGB")
        image.thumbnail((240, 240))
        thumbnails.append((image, path.stem.partition("-")[2].replace("-", " ")))
    return thumbnails


# Only fonts that are already on the visitor's machine: the page asks no other server for anything.
THEME = gr.themes.Soft(
    primary_hue="blue",
    neutral_hue="slate",
    font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
    font_mono=["ui-monospace", "Consolas", "monospace"],
).set(
    # Darker than the theme's own on light, lighter on dark: a contrast of at least 4.5 to 1.
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_400",
    block_label_text_color="*primary_700",
    block_label_text_color_dark="*primary_100",
    block_title_text_color="*primary_700",
    block_title_text_color_dark="*primary_100",
    color_accent="*primary_600",
)

with gr.Blocks(title="Facial emotion", analytics_enabled=False, delete_cache=(60, 600)) as demo:
    own_model = gr.State(time_to_live=STATE_SECONDS)  # None: the model that everybody gets
    analysis = gr.State(time_to_live=STATE_SECONDS)
    live_session = gr.State(time_to_live=STATE_SECONDS)

    title = gr.HTML(page.header(CLASSIFIER), elem_id="title")

    with gr.Tabs() as tabs:
        with gr.Tab("Photo", id="photo"), gr.Row(equal_height=False):
            with gr.Column():
                photo = MemoryImage(
                    label="Your picture",
                    sources=["upload", "webcam", "clipboard"],
                    height=PICTURE_HEIGHT,
                    buttons=["fullscreen"],
                    elem_id="photo",
                    alt_text="Your picture",
                )
                boxed = MemoryImage(
                    show_label=False,
                    interactive=False,
                    visible=False,
                    height=PICTURE_HEIGHT,
                    buttons=["download", "fullscreen"],
                    elem_id="boxed",
                    alt_text="Your picture with a numbered box around every face",
                )
                another = gr.Button("Another picture", visible=False, elem_id="another")
            with gr.Column():
                verdict = gr.HTML(page.welcome(), elem_id="verdict")
                probabilities = gr.Label(
                    label="Probabilities", show_heading=False, visible=False, elem_id="probabilities"
                )
                cards = gr.HTML(visible=False, elem_id="cards", js_on_load=page.SELECT_CARD)
                why = gr.Button("Why?", visible=False, elem_id="why")
                with gr.Column(visible=False) as reasons:
                    heat = MemoryImage(
                        label="Where the model looked",
                        interactive=False,
                        height=260,
                        buttons=[],
                        elem_id="heat",
                    )
                    heat_words = gr.Markdown()
                gr.Markdown("Or click an example:")
                examples = MemoryGallery(
                    example_thumbnails(),
                    show_label=False,
                    columns=5,
                    height="auto",
                    allow_preview=False,
                    interactive=False,
                    object_fit="cover",
                    buttons=[],
                    elem_id="examples",
                )

        with gr.Tab("Live", id="live"), gr.Row(equal_height=False):
            with gr.Column():
                with gr.Column(elem_id="live-stage"):
                    camera = MemoryImage(
                        label="Camera",
                        sources="webcam",
                        streaming=True,
                        height=PICTURE_HEIGHT,
                        buttons=[],
                        webcam_options=gr.WebcamOptions(constraints={"video": CAMERA}),
                        elem_id="camera",
                        alt_text="The camera’s picture",
                    )
                    live_boxes = gr.HTML(elem_id="live-overlay")
                snapshot = gr.Button("Look at this moment in Photo", elem_id="snapshot")
            with gr.Column():
                live_answers = gr.HTML(page.live_welcome(), elem_id="live-faces")
                live_chart = gr.HTML(elem_id="live-chart")

        with gr.Tab("Video file", id="video"):
            gr.Markdown(
                f"Clips of up to **{MAX_SECONDS:g} seconds** and 100 MB (MP4, MOV, WebM, MKV or AVI). "
                "The result has no sound."
            )
            clip = UploadedFiles(label="Clip", file_types=["video"], height=140, elem_id="clip")
            with gr.Row(equal_height=False):
                annotated_clip = gr.HTML(elem_id="annotated-clip")
                clip_chart = gr.HTML(elem_id="clip-chart")

        with gr.Tab("Many pictures", id="many"):
            gr.Markdown(f"Up to **{MOST_FILES} pictures** at a time, 100 MB each.")
            pictures = UploadedFiles(
                label="Pictures",
                file_count="multiple",
                file_types=["image"],
                height=140,
                elem_id="pictures",
            )
            many_words = gr.HTML(elem_id="many-summary")
            with gr.Row(equal_height=False):
                shares = gr.Label(
                    label="Share of all faces",
                    show_heading=False,
                    visible=False,
                    min_width=240,
                    elem_id="shares",
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
            many_link = gr.HTML(elem_id="many-csv")

        with gr.Tab("Model", id="model"):
            report = gr.HTML(page.model_summary(CLASSIFIER), elem_id="report")
            with gr.Group():
                reference = gr.Textbox(
                    label="Try another model from the Hugging Face Hub – for you alone",
                    placeholder="owner/name or owner/name@revision",
                    max_lines=1,
                    elem_id="reference",
                )
                with gr.Row():
                    load = gr.Button("Load it", variant="primary")
                    back = gr.Button("Back to the default")
            model_words = gr.HTML(elem_id="model-message")
            with gr.Accordion("Model card", open=False):
                card = gr.Markdown(page.card_text(CLASSIFIER.card))

    gr.HTML(f'<p class="em-privacy">{page.PRIVACY}</p>')

    api_answer = gr.JSON(visible=False)
    api_button = gr.Button(visible=False)

    photo_outputs = [photo, boxed, another, analysis, verdict, probabilities, cards, why, reasons]
    model_outputs = [own_model, model_words, title, report, card]
    silent = {"api_visibility": "private", "show_progress": "hidden"}
    private = {"api_visibility": "private", "show_progress": "minimal"}

    api_button.click(classify, photo, api_answer, api_name="classify")

    photo.upload(analyse_upload, [photo, own_model], photo_outputs, **private)
    # Not queued: the buttons for another source clear first, and what they bring must find the page cleared.
    gr.on([photo.clear, another.click], clear_photo, outputs=photo_outputs, queue=False, **silent)
    examples.select(analyse_example, own_model, photo_outputs, **private)
    boxed.select(select_point, analysis, photo_outputs, **silent)
    cards.select(select_card, analysis, photo_outputs, **silent)
    why.click(
        explain,
        [analysis, own_model],
        [*photo_outputs, heat, heat_words],
        show_progress_on=verdict,
        **private,
    )

    live_outputs = [live_session, live_boxes, live_answers, live_chart]
    watching = camera.stream(
        watch,
        [camera, live_session, own_model],
        live_outputs,
        stream_every=FRAME_INTERVAL,
        time_limit=LIVE_MINUTES * 60,
        concurrency_limit=MOST_LIVE_VISITORS,
        **silent,
    )
    watching.then(stop_watching, outputs=[live_boxes, live_answers], **silent)
    snapshot.click(analyse_snapshot, [live_session, own_model], [tabs, *photo_outputs], **private)

    clip_outputs = [clip, annotated_clip, clip_chart]
    clip.upload(annotate_video, [clip, own_model], clip_outputs, api_visibility="private")
    many_outputs = [pictures, gallery, shares, many_words, many_link]
    pictures.upload(classify_many, [pictures, own_model], many_outputs, api_visibility="private")

    gr.on([load.click, reference.submit], try_model, reference, model_outputs, **private)
    back.click(use_default_model, outputs=model_outputs, **private)

demo.queue(default_concurrency_limit=os.cpu_count() or 1)

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for client in ("httpx", "httpx2"):  # one line per request, with signed addresses in it
        logging.getLogger(client).setLevel(logging.WARNING)
    demo.launch(
        theme=THEME,
        css=page.style_sheet(camera_height=PICTURE_HEIGHT),
        mcp_server=True,
        run_history=False,
        max_file_size="100mb",
        footer_links=["api", "gradio", "settings"],
        app_kwargs={"middleware": [Middleware(uploads.count), Middleware(without_false_alarms)]},
    )
