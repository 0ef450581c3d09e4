"""What a visitor has taught the model: the snapshots, and what they changed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from emotion.predictions.display import NOT_SURE, emotion_colour, points
from emotion.web.html.answer import label

if TYPE_CHECKING:
    from emotion.teaching.last_layer import Gain


def snapshots(names: Sequence[str], taken: Sequence[tuple[str, str]], needed: int) -> str:
    """Return the snapshots taken (expression, data URL) by expression, each a button that removes it."""
    rows = []
    for name in names:
        portraits = [(index, portrait) for index, (shown, portrait) in enumerate(taken) if shown == name]
        buttons = "".join(
            f'<button type="button" data-face="{index}" aria-label="Remove this snapshot of {escape(name)}"'
            f' title="Remove it"><img src="{portrait}" alt="" width="48" height="48"></button>'
            for index, portrait in portraits
        )
        count = len(portraits)
        state = f"{count}" if count >= needed else f"{count} of {needed}"
        rows.append(
            f'<div class="em-taken" style="--em: {emotion_colour(name)}">'
            f"<span><b>{label(name)}</b> {state}</span><div>{buttons}</div></div>"
        )
    return f'<div class="em-lesson" role="group" aria-label="Your snapshots">{"".join(rows)}</div>'


def what_is_gained(gain: Gain, *, kept: bool) -> str:
    """Return the gain in words; `kept`: no lesson was better, so the model is as it was."""
    low, high = (points(end) for end in gain.interval)
    before, after = gain.right_before, gain.right_after
    counts = (
        "Each snapshot was left out once while the model learned from the others. It was right on "
        f"{after} of {gain.faces}; before, on {before}. The gain is {points((after - before) / gain.faces)} "
        f"points (95% interval: {low} to {high})."
    )
    if before == gain.faces:
        title = "It already knew your face: there is nothing to gain on these snapshots."
    elif kept:
        title = "No gain: none of the lessons tried suits your face better, so the model stays as it is."
    elif gain.is_sure:
        title = "It knows your face better now."
    else:
        title = "This gain may be luck."
        counts += " More snapshots, in other light and from other sides, would tell."
    return f"""
<div class="em-hint" role="status"><b>{title}</b><p>{counts}</p>
<p><small>An answer is right if it names the emotion, or says “{NOT_SURE}” for a face at rest. Snapshots taken
in one sitting look alike, so the gain may be smaller on another day.</small></p></div>"""
