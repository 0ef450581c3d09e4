"""The cameras of the tabs: front or rear, and off as soon as the visitor stops them or looks elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

import gradio as gr

from emotion.web.components import MemoryImage
from emotion.web.tab import SILENT

# Opens the camera inside a component that was just shown anew.
OPEN_CAMERA = Path(__file__).with_name("open_camera.js").read_text("utf-8")
# Ends cameras; part of the page's head. $minutes: a camera that is forgotten goes off after them.
END_CAMERAS = Path(__file__).with_name("camera.js").read_text("utf-8")
# As browsers name where a camera looks.
FRONT, REAR = "user", "environment"
WORDS = Path(__file__).with_name("browser") / "words" / "en.json"
# Which words of the table are for which error of a browser.
SAID = {
    "NotAllowedError": "camera.denied",
    "SecurityError": "camera.denied",
    "NotFoundError": "camera.missing",
    "OverconstrainedError": "camera.missing",
    "NotReadableError": "camera.busy",
    "AbortError": "camera.busy",
    "NoDevices": "camera.insecure",
    "other": "camera.failed",
}
# In the browser: shows a component or takes it away.
VISIBLE = "() => ({__type__: 'update', visible: %s})"
# Gradio's id of what all cameras share: their places, whichever tab they are on.
CAMERAS = "cameras"
# Pixels, width and height, of frames that follow each other: small ones travel fast.
STREAMED = 640, 480


def webcam_options(width: int, height: int, *, facing: str = FRONT) -> gr.WebcamOptions:
    """Ask for a camera and a size, as far as there is such a one."""
    size = {"width": {"ideal": width}, "height": {"ideal": height}}
    return gr.WebcamOptions(mirror=facing == FRONT, constraints={"video": {**size, "facingMode": facing}})


def streamed_camera(elem_id: str, *, height: int) -> MemoryImage:
    """Return a camera, off at first, whose frames are answered one after the other."""
    return MemoryImage(
        label="Camera",
        sources="webcam",
        streaming=True,
        height=height,
        buttons=[],
        webcam_options=webcam_options(*STREAMED),
        elem_id=elem_id,
        alt_text="The camera’s picture",
    )


def front_or_rear(elem_id: str) -> gr.Radio:
    """Return the switch, which the style sheet shows on phones and tablets only."""
    return gr.Radio(
        [("Front camera", FRONT), ("Rear camera", REAR)],
        value=FRONT,
        show_label=False,
        container=False,
        elem_id=elem_id,
        elem_classes="em-facing",
    )


def wire_camera(switch: gr.Radio, camera: MemoryImage, size: tuple[int, int]) -> None:
    """Connect a camera with its switch and its end: it reads its options, and stops, only when drawn anew."""

    def shown(facing: str) -> dict[str, Any]:
        return gr.update(visible=True, webcam_options=webcam_options(*size, facing=facing))

    quick: dict[str, Any] = {**SILENT, "queue": False}
    switch.input(lambda: gr.update(visible=False), outputs=camera, **quick).then(
        shown, switch, camera, **quick
    ).then(None, js=f"() => ({OPEN_CAMERA})('#{camera.elem_id}')", **quick)
    # camera.js clicks it.
    off = gr.Button(visible="hidden", elem_id=f"{camera.elem_id}-off")
    off.click(None, outputs=camera, js=VISIBLE % "false", **quick).then(
        None, outputs=camera, js=VISIBLE % "true", **quick
    )


def wire_tabs(tabs: gr.Tabs) -> None:
    """End the camera when its visitor opens another tab."""
    tabs.change(None, js="() => document.dispatchEvent(new Event('emotion-tab'))", **SILENT, queue=False)


def head(minutes: float) -> str:
    """Return the script that ends cameras, and forgotten ones after `minutes`."""
    words = json.loads(WORDS.read_text("utf-8"))
    said = {name: words[key] for name, key in SAID.items()}
    return f"<script>{Template(END_CAMERAS).substitute(minutes=minutes, words=json.dumps(said))}</script>"
