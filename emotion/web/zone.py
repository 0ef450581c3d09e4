"""A place for files: visitors choose, drop or paste them, or take a snapshot with the camera.

Gradio's own components speak other words than the page, take drops and pastes only inside, and have a camera
each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from string import Template

import gradio as gr

from emotion.web.components import bytes_of
from emotion.web.inside.uploads import uploaded
from emotion.web.language import LATER
from emotion.web.service import Service
from emotion.web.tab import told

START = Path(__file__).with_name("start_zone.js")
PICTURES, CLIPS = "image/*,.heic,.heif", "video/*,.mkv,.avi"
# Pixels, width and height: of one snapshot, and of many that are taken one after the other.
SNAPSHOT, SNAPSHOTS = (1920, 1440), (640, 480)
# Snapshots of one press.
MOST_HELD = 20


def zone(
    service: Service,
    elem_id: str,
    *,
    drop: str,
    choose: str,
    accept: str = PICTURES,
    several: bool = False,
    camera: str | None = None,
    take: str = "photo.shoot",
    stop: str = "photo.cancel",
) -> gr.HTML:
    """Return a place for files; its event `given` tells what `given_sources` reads.

    `drop`, `choose`, `camera`, `take` and `stop` are keys of words; without `camera` there is none. It stays
    on for `several`.
    """
    limits = service.limits
    width, height = SNAPSHOTS if several else SNAPSHOT
    script = Template(START.read_text("utf-8")).substitute(
        address=service.device.address,
        holds=json.dumps(several),
        size=json.dumps({"width": width, "height": height}),
        most=MOST_HELD,
        minutes=limits.live_minutes,
        megabytes=f"{limits.file_bytes / 1e6:g}",
    )
    snapshot = f'<button type="button" data-part="camera">{LATER(camera)}</button>' if camera else ""
    return gr.HTML(
        html_template=f"""
<div class="stage empty" data-part="empty">
  <p class="em-mouse">{LATER(drop)}</p>
  <p class="buttons">
    <button type="button" class="primary" data-part="choose">{LATER(choose)}</button>{snapshot}
  </p>
  <input type="file" accept="{accept}" {"multiple" if several else ""} hidden data-part="file">
</div>{_viewfinder(take, stop) if camera else ""}
<div class="em-hint em-problem" role="alert" data-part="message" hidden></div>""",
        js_on_load=script,
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="em-own em-zone",
    )


def _viewfinder(take: str, stop: str) -> str:
    return f"""
<div data-part="viewfinder" hidden>
  <div class="stage"><video muted playsinline aria-label="{LATER("live.video")}"></video></div>
  <p class="buttons">
    <button type="button" class="primary" data-part="take">
      {LATER(take)}<span data-part="count"></span>
    </button>
    <button type="button" data-part="stop">{LATER(stop)}</button>
    <label class="field" hidden>{LATER("camera.which")} <select></select></label>
  </p>
</div>"""


def given_sources(event: gr.EventData) -> Sequence[bytes | Path]:
    """Return what a visitor gave: uploads, to be deleted with `deleting`, and snapshots.

    Raises
    ------
    gradio.Error
        If a path does not lead to an upload.
    """
    files, pictures = (told(event, name) for name in ("files", "pictures"))
    paths = [uploaded(str(path)) for path in files] if isinstance(files, list) else []
    shots = [bytes_of(url) for url in pictures[:MOST_HELD]] if isinstance(pictures, list) else []
    return [*paths, *shots]
