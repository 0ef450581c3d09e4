"""What a visitor takes home, as part of the page: no file exists on the server."""

from __future__ import annotations

import base64
from html import escape


def download_link(text: str, name: str, caption: str) -> str:
    """Return a link that saves `text` as a CSV file; it is part of the page, no file exists on the server."""
    content = base64.b64encode(text.encode("utf-8-sig")).decode()
    return (
        f'<a class="em-download" download="{escape(name)}"'
        f' href="data:text/csv;charset=utf-8;base64,{content}">'
        f"{escape(caption)}</a>"
    )


def zip_link(content: bytes, name: str, caption: str) -> str:
    """Return a link that saves a ZIP file; it is part of the page, no file exists on the server."""
    encoded = base64.b64encode(content).decode()
    return (
        f'<a class="em-download" download="{escape(name)}" href="data:application/zip;base64,{encoded}">'
        f"{escape(caption)}</a>"
    )


def video_player(clip: bytes) -> str:
    """Return a player for an MP4 clip that is part of the page; no file exists on the server."""
    content = base64.b64encode(clip).decode()
    return (
        '<video class="em-video" controls playsinline'
        ' aria-label="The clip with a box around every face"'
        f' src="data:video/mp4;base64,{content}"></video>'
        f'<a class="em-download" download="emotions.mp4" href="data:video/mp4;base64,{content}">'
        "Download the clip</a>"
    )
