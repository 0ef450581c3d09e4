"""What a visitor has taught the model: the snapshots, what they changed, and answers before and after."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from emotion.predictions.display import NOT_SURE, emotion_colour, points
from emotion.web.html.faces import bars

if TYPE_CHECKING:
    from emotion.model.last_layer import Gain
    from emotion.predictions.face import FacePrediction


def snapshots(names: Sequence[str], taken: Sequence[tuple[str, str]], needed: int) -> str:
    """Return the snapshots of every expression, each a button that removes it.

    Parameters
    ----------
    names
        The expressions, in their order.
    taken
        For every snapshot, the expression and a portrait (a data URL).
    needed
        How many of each expression there should be at least.
    """
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
            f"<span><b>{escape(name)}</b> {state}</span><div>{buttons}</div></div>"
        )
    return f'<div class="em-lesson" role="group" aria-label="Your snapshots">{"".join(rows)}</div>'


def what_is_gained(gain: Gain, *, kept: bool) -> str:
    """Return what teaching brought, in words, with its uncertainty.

    Parameters
    ----------
    gain
        As measured on snapshots that were left out in turn.
    kept
        Nothing that was tried was better than the model as it is.
    """
    low, high = (points(end) for end in gain.interval)
    before, after = gain.right_before, gain.right_after
    counts = (
        f"On snapshots left out in turn while it learned from the others, it was right {after} times of "
        f"{gain.faces}; before, {before} times. The gain is {points((after - before) / gain.faces)} points, "
        f"with 95% certainty between {low} and {high}."
    )
    if before == gain.faces:
        title = "It knew your face already: on these snapshots there is nothing to gain."
    elif kept:
        title = "No gain: nothing that was tried suits your face better, so the model stays as it is."
    elif gain.is_sure:
        title = "It knows your face better now."
    else:
        title = "No gain that could not be luck."
        counts += " More snapshots, in another light and from other sides, would tell more."
    return f"""
<div class="em-hint" role="status"><b>{title}</b><p>{counts}</p>
<p><small>Right means: the emotion by its name, a face at rest by “{NOT_SURE}”. Snapshots of one sitting are
alike: on another day the gain may be smaller.</small></p></div>"""


def before_and_after(before: FacePrediction, after: FacePrediction, portrait: str) -> str:
    """Return the answers of two models for one face side by side; `portrait` is a data URL."""
    cards = "".join(
        f'<div class="em-card" style="--em: {emotion_colour(face.label)}">'
        f"<span><b>{title}</b> {escape(face.label or NOT_SURE)}</span>{bars(face.probabilities)}</div>"
        for title, face in (("Before", before), ("After", after))
    )
    return (
        f'<div class="em-compared" role="status"><img src="{portrait}" alt="The face" width="96" height="96">'
        f"<div>{cards}</div></div>"
    )
