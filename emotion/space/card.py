"""The card of a Space, which is also its configuration."""

from __future__ import annotations

import sys
from importlib.metadata import version

from huggingface_hub import SpaceCardData, constants

from emotion.report.metadata import join_card, split_card
from emotion.space.kinds import STATIC_FILE, ZEROGPU_FILE, Kind

# How the demo is recognised, on its Space and in this project's README alike.
IDENTITY = {
    "title": "Facial emotion",
    "emoji": "🙂",
    "colorFrom": "blue",
    "colorTo": "yellow",
    "license": "mit",
    "short_description": "How angry, happy or sad does each face look?",
    "tags": [
        "emotion-recognition",
        "facial-expression-recognition",
        "image-classification",
        "keras",
        "litert",
    ],
}
# ZeroGPU runs 3.10 and 3.12; this program needs 3.11 or newer.
ZEROGPU_PYTHON = "3.12"
PRIVACY = "Nothing personal is written to disk."
STATIC_PRIVACY = "Everything runs in your own browser: no picture leaves your device."
OTHER_MODEL = """The variable `EMOTION_MODEL` in the settings names another one; with
`EMOTION_REFRESH_MINUTES`, a new commit of the model is taken over while the app runs."""
STATIC_MODEL = "This Space carries a copy of it, which changes when it is deployed again."
# Settings that are always ours.
NEEDED = ("sdk", "sdk_version", "python_version", "app_file", "models", "preload_from_hub")


def space_card(model: str, *, revision: str | None = None, kind: Kind = Kind.GRADIO) -> str:
    """Return the card of a Space of a kind that serves the model "owner/name".

    With a revision, the model is not loaded while the Space is built: `preload_from_hub` knows "main" alone.
    """
    if kind is Kind.STATIC:
        data = SpaceCardData(**IDENTITY, sdk="static", app_file=STATIC_FILE, models=[model])
    else:
        data = SpaceCardData(
            **IDENTITY,
            sdk="gradio",
            sdk_version=version("gradio"),
            python_version=ZEROGPU_PYTHON
            if kind is Kind.ZEROGPU
            else ".".join(map(str, sys.version_info[:2])),
            app_file=ZEROGPU_FILE if kind is Kind.ZEROGPU else "app.py",
            models=[model],
            preload_from_hub=None if revision else [model],
        )
    named = f"{model}@{revision}" if revision else model
    return join_card(
        data.to_dict(),
        f"""
# Facial emotion

Tells how the faces in a picture look, with calibrated probabilities, and says when it is not sure.
An expression is not a feeling. {STATIC_PRIVACY if kind is Kind.STATIC else PRIVACY}

The model is [{named}]({constants.ENDPOINT}/{model}): its card tells what it was trained on, how good
it is, and what it is not for. {STATIC_MODEL if kind is Kind.STATIC else OTHER_MODEL}
""",
    )


def merged_card(ours: str, theirs: str | None, *, edited: bool) -> str:
    """Return the card to commit, given the Space's present one.

    If it was `edited` since it was last deployed, its text and its settings other than `NEEDED` stay.
    """
    if theirs is None:
        return ours
    mine, text = split_card(ours)
    found, their_text = split_card(theirs)
    kept = {key: value for key, value in found.items() if key not in NEEDED}
    if edited:
        needed = {key: value for key, value in mine.items() if key in NEEDED}
        return join_card(mine | kept | needed, their_text)
    return join_card(mine | {key: value for key, value in kept.items() if key not in mine}, text)
