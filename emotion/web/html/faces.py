"""Several faces at once: a card for each, with its bars, and boxes over the camera's picture."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from emotion.drawing import describe
from emotion.predictions.display import NOT_SURE, emotion_colour, text_colour

if TYPE_CHECKING:
    from emotion.predictions.face import FacePrediction
    from emotion.video.tracking import TrackedFace


def face_cards(predictions: Sequence[FacePrediction], portraits: Sequence[str], selected: int) -> str:
    """Return one button per face with its number, portrait, answer and bars; empty for a single face."""
    if len(predictions) < 2:
        return ""
    cards = []
    for index, (prediction, portrait) in enumerate(zip(predictions, portraits, strict=True)):
        answer = prediction.label or NOT_SURE
        cards.append(
            f'<button type="button" class="em-card" data-face="{index}"'
            f' aria-pressed="{str(index == selected).lower()}"'
            f' style="--em: {emotion_colour(prediction.label)}">'
            f'<img src="{portrait}" alt="" width="64" height="64">'
            f"<span><b>{index + 1}</b> {escape(answer)}</span>{bars(prediction.probabilities)}</button>"
        )
    return f'<div class="em-cards" role="group" aria-label="Choose a face">{"".join(cards)}</div>'


def live_faces(faces: Sequence[TrackedFace]) -> str:
    """Return the answer and bars of every face that is being followed."""
    if not faces:
        return (
            '<div class="em-hint"><b>No face in sight.</b>'
            "<p>Look at the camera, with light from the front.</p></div>"
        )
    cards = "".join(
        f'<div class="em-card" style="--em: {emotion_colour(face.label)}">'
        f"<span><b>{face.id}</b> {escape(face.label or NOT_SURE)}"
        f"{f' <small>{escape(face.reason)}</small>' if face.reason and not face.label else ''}</span>"
        f"{bars(face.probabilities)}</div>"
        for face in faces
    )
    return f'<div class="em-cards em-wide">{cards}</div>'


def live_overlay(faces: Sequence[TrackedFace], size: tuple[int, int]) -> str:
    """Return boxes to lay over the camera's picture of `size` (width, height), placed in percent of it.

    They are drawn in the browser, so that its own smooth video stays visible and no picture is sent back.
    """
    width, height = size
    boxes = "".join(
        f'<div class="em-box" style="left: {100 * x / width:.1f}%; top: {100 * y / height:.1f}%; '
        f"width: {100 * w / width:.1f}%; height: {100 * h / height:.1f}%; "
        f"--em: {emotion_colour(face.label)}; "
        f'--em-text: {text_colour(emotion_colour(face.label))}">'
        f"<span>{face.id} {escape(describe(face))}</span></div>"
        for face in faces
        for x, y, w, h in (face.box,)
    )
    return f'<div class="em-overlay" style="--ratio: {width / height:.4f}" aria-hidden="true">{boxes}</div>'


def bars(probabilities: dict[str, float]) -> str:
    """Return probability bars in the order of the labels, so that moving bars keep their place."""
    rows = "".join(
        f'<span class="em-bar"><span>{escape(label)}</span>'
        f'<span class="em-track">'
        f'<span style="width: {value:.1%}; background: {emotion_colour(label)}"></span></span>'
        f"<span>{value:.0%}</span></span>"
        for label, value in probabilities.items()
    )
    return f'<span class="em-bars">{rows}</span>'
