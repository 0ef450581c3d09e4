"""What stands where no answer does: a beginning, a problem, a picture without a face."""

from __future__ import annotations

from html import escape

PRIVACY = (
    "Your pictures stay in this server’s memory while they are needed: they are not stored and not sent on. "
    "Files that an upload needs on its way are deleted when the request ends."
)
NO_FACE = "I can’t find a face in this picture."
HINTS = (
    "<b>Light</b> – face a window or a lamp rather than having it behind you.",
    "<b>Distance</b> – the face should be at least as large as a thumbnail, not a dot in the background.",
    "<b>Frontal</b> – look towards the camera, with eyes and mouth uncovered.",
)


def welcome() -> str:
    """Return what stands in the place of an answer before there is a picture."""
    return """
<div class="em-hint"><b>Add a picture to begin.</b>
<p>Drop a photo, paste one, take a snapshot, or click an example. Nothing has to be installed, and nothing is
stored.</p></div>"""


def live_welcome() -> str:
    """Return what stands beside the camera before it runs."""
    return """
<div class="em-hint"><b>Turn on the camera</b>
<p>Click the camera, allow it in the browser, then press “Record”. Nothing is recorded: every frame is looked
at and forgotten. When the server is busy, it skips frames instead of falling behind.</p></div>"""


def no_face() -> str:
    """Return the hint for a picture without a face, with what helps."""
    tips = "".join(f"<li>{tip}</li>" for tip in HINTS)
    return (
        f'<div class="em-hint" role="status"><b>{NO_FACE}</b><p>What usually helps:</p><ul>{tips}</ul></div>'
    )


def problem(message: str) -> str:
    """Return what went wrong, in the words of one of the package's own errors."""
    return f'<div class="em-hint" role="alert"><b>That did not work.</b><p>{escape(message)}</p></div>'
