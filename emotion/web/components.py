"""Gradio components that keep people's pictures off the disk: the page holds them as data URLs.

Gradio itself saves every picture that it shows as a file.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
from gradio.data_classes import ImageData
from PIL import Image

from emotion.predictions.face import FacePrediction
from emotion.vision.crop import Place, scaled_place
from emotion.vision.images import Picture
from emotion.web.inside.blocks import DrawnAsParent
from emotion.web.inside.uploads import uploaded

# Pixels: larger pictures are shown reduced; few screens show more.
SHOWN_SIDE = 1280
# Of JPEG; higher only makes the page slower.
QUALITY = 88


def data_url(picture: np.ndarray | Image.Image, *, side: int = SHOWN_SIDE) -> str:
    """Return a picture as a JPEG data URL, reduced to at most `side` pixels."""
    return f"data:image/jpeg;base64,{base64.b64encode(as_jpeg(picture, side=side)).decode()}"


def bytes_of(url: object) -> bytes:
    """Return what a data URL holds; nothing, which opens with a message, where it is none."""
    try:
        return base64.b64decode(url.partition(",")[2]) if isinstance(url, str) else b""
    except ValueError:
        return b""


def as_jpeg(picture: np.ndarray | Image.Image, *, side: int = SHOWN_SIDE) -> bytes:
    """Encode a picture, reduced to at most `side` pixels."""
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    if max(image.size) > side:
        image = image.copy()
        image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


class MemoryImage(gr.Image, DrawnAsParent):
    """A `gr.Image` that hands on what was sent, undecoded, and shows pictures without writing them to disk.

    As an input it gives bytes (a camera frame) or the `pathlib.Path` of an upload, to be opened with
    `Service.open_picture` and deleted with `deleting`. As an output it takes an array or PIL image.
    """

    # Gradio only hands values on: a handler may get and give other types than its own components'.
    # pyrefly: ignore [bad-override]
    def preprocess(self, payload: ImageData | None) -> bytes | Path | None:
        """Give the encoded picture, or where its upload is."""
        if payload is None:
            return None
        if payload.url and payload.url.startswith("data:"):
            return bytes_of(payload.url)
        return uploaded(payload.path) if payload.path else None

    # pyrefly: ignore [bad-override]
    def postprocess(self, value: np.ndarray | Image.Image | None) -> ImageData | None:
        """Put the picture into the page."""
        if value is None:
            return None
        return ImageData(url=data_url(value), orig_name="emotions.jpg", mime_type="image/jpeg")


def at_shown_size(
    picture: Picture, faces: Sequence[FacePrediction], side: int
) -> tuple[np.ndarray, list[FacePrediction]]:
    """Return a picture as uint8 (H, W, 3) of at most `side` pixels, and its faces in these pixels."""
    shown = picture.shown(side)
    if shown.scale == 1:
        return shown.pixels, list(faces)
    places = [scaled_place(place_of(face), 1 / shown.scale) for face in faces]
    return shown.pixels, [
        replace(face, box=place.box, eyes=place.eyes) for face, place in zip(faces, places, strict=True)
    ]


def place_of(face: FacePrediction) -> Place:
    """Return where a face is in its picture; ValueError if it came as a crop, without a picture."""
    if face.box is None:
        raise ValueError("This face came without a picture.")
    return Place(face.box, face.eyes, face.tight)
