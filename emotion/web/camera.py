"""The cameras of the tabs: front or rear, and only the front one is a mirror."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from emotion.web.components import MemoryImage
from emotion.web.events import SILENT

# Opens the camera inside a component that was just shown anew.
OPEN_CAMERA = Path(__file__).with_name("open_camera.js").read_text("utf-8")
# As browsers name where a camera looks.
FRONT, REAR = "user", "environment"
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


def wire_switch(switch: gr.Radio, camera: MemoryImage, size: tuple[int, int]) -> None:
    """Connect a switch with its camera, which reads its options only when it is shown anew."""

    def shown(facing: str) -> dict[str, Any]:
        return gr.update(visible=True, webcam_options=webcam_options(*size, facing=facing))

    quick: dict[str, Any] = {**SILENT, "queue": False}
    switch.input(lambda: gr.update(visible=False), outputs=camera, **quick).then(
        shown, switch, camera, **quick
    ).then(None, js=f"() => ({OPEN_CAMERA})('#{camera.elem_id}')", **quick)
