"""Predictions drawn on pictures: the colour of every emotion, numbered boxes, and bars beside the picture.

What a prediction means is decided in `emotion.model.classifier`; pages and files are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from emotion.predictions.display import NOT_SURE, emotion_colour, text_colour
from emotion.predictions.face import Answer, Box

# Height of a tag's letters, in sides of the picture: on a phone of 390 pixels they are at least 11 high.
LETTERS = 1 / 32
# How wide a tag with words may be: in widths of its face, or in sides of the picture, whichever is more.
MOST_TAG, LEAST_TAG = 1.4, 0.22


def annotate(
    picture: np.ndarray,
    predictions: Sequence[Answer],
    *,
    selected: int | None = None,
    named: Callable[[Any], str] | None = None,
) -> Image.Image:
    """Draw a numbered box around every face, coloured by emotion, with the answer in words.

    `picture` is upright RGB, uint8 (height, width, 3), and stays as it is. Numbers follow the order from 1;
    followed faces keep their `id`, and one without a box is skipped. `selected` is the index of a face to
    emphasise. `named` says what stands behind the number, by default `describe`; a text much wider than its
    face is left out.
    """
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for index, prediction in enumerate(predictions):
        if prediction.box is None:
            continue
        # A line width that suits the picture and does not drown a small face.
        unit = max(1, min(max(image.size) // 320, prediction.box[2] // 24))
        _draw_box(draw, prediction.box, prediction.label, unit, emphasise=index == selected)
        number = getattr(prediction, "id", index + 1)
        words = (named or describe)(prediction)
        _draw_tag(draw, image.size, prediction.box, f"{number}", words, prediction.label, unit)
    return image


def annotate_with_bars(picture: np.ndarray, predictions: Sequence[Answer]) -> Image.Image:
    """Draw the boxes of `annotate` and, below the picture, the probability bars of every face.

    The result has the picture's width, at least 240 pixels, and is higher by the bars.
    """
    boxed = annotate(picture, predictions)
    if not predictions:
        return boxed
    width = max(boxed.width, 240)
    columns = max(1, min(len(predictions), width // 240))
    cell = width // columns
    font = ImageFont.load_default(14)
    line = 20
    cell_height = line * (len(predictions[0].probabilities) + 1) + 16
    rows = -(-len(predictions) // columns)
    sheet = Image.new("RGB", (width, boxed.height + rows * cell_height), "white")
    sheet.paste(boxed, ((width - boxed.width) // 2, 0))
    draw = ImageDraw.Draw(sheet)
    for index, prediction in enumerate(predictions):
        left = (index % columns) * cell + 10
        top = boxed.height + (index // columns) * cell_height + 8
        draw.text((left, top), f"{index + 1}  {describe(prediction, reason=True)}", fill="black", font=font)
        for number, (label, probability) in enumerate(prediction.probabilities.items(), start=1):
            _draw_bar(draw, (left, top + number * line), cell - 20, label, probability, font)
    return sheet


def describe(prediction: Answer, *, reason: bool = False) -> str:
    """Return the answer in words: "happy 97%", or "not sure", with the reason if asked for."""
    if prediction.label is not None:
        return f"{prediction.label} {prediction.confidence:.0%}"
    return f"{NOT_SURE} ({prediction.reason})" if reason and prediction.reason else NOT_SURE


def _draw_box(draw: ImageDraw.ImageDraw, box: Box, label: str | None, unit: int, *, emphasise: bool) -> None:
    x, y, width, height = box
    right, bottom = x + width - 1, y + height - 1
    line = unit * (3 if emphasise else 2)
    # A white rim keeps the coloured line visible on any picture.
    draw.rectangle((x - unit, y - unit, right + unit, bottom + unit), outline="white", width=line + unit)
    draw.rectangle((x, y, right, bottom), outline=emotion_colour(label), width=line)


def _draw_tag(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    box: Box,
    number: str,
    words: str,
    label: str | None,
    unit: int,
) -> None:
    letters = max(12, round(max(size) * LETTERS))
    font = ImageFont.load_default(letters)
    text = f"{number}  {words}" if words else number
    if draw.textlength(text, font=font) > max(MOST_TAG * box[2], LEAST_TAG * max(size)):
        text = number
    width, height = round(draw.textlength(text, font=font)) + 4 * unit, round(1.5 * letters)
    x = max(0, min(box[0] - unit, size[0] - width))
    y = box[1] - height - unit if box[1] - height - unit >= 0 else box[1] + unit
    background = emotion_colour(label)
    draw.rectangle((x, y, x + width, y + height), fill=background)
    middle = (x + 2 * unit, y + height / 2)
    draw.text(middle, text, fill=text_colour(background), font=font, anchor="lm")


def _draw_bar(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    width: int,
    label: str,
    probability: float,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    x, y = corner
    start, full = x + 70, width - 70 - 44
    draw.text((x, y), label, fill="black", font=font)
    draw.rectangle((start, y + 3, start + full, y + 15), fill="#e8e8e8")
    draw.rectangle((start, y + 3, start + round(full * probability), y + 15), fill=emotion_colour(label))
    draw.text((start + full + 6, y), f"{probability:.0%}", fill="black", font=font)
