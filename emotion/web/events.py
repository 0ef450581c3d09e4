"""What the events of all tabs have in common."""

from __future__ import annotations

from typing import Any

import gradio as gr

SILENT: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}

# As a default value, it asks Gradio for a progress bar.
PROGRESS = gr.Progress()

# What a handler returns: new values for some of the components.
Update = dict[Any, Any]


def chosen(event: gr.EventData, count: int) -> int:
    """Return which of `count` shown things a visitor chose.

    Raises
    ------
    gradio.Error
        If it is none of them: a program may send anything.
    """
    index = _index(event)
    if not isinstance(index, int) or not 0 <= index < count:
        raise gr.Error("Choose one of those that are shown.", print_exception=False)
    return index


def point(event: gr.EventData) -> tuple[float, float]:
    """Return where a picture was clicked, x and y in pixels of what is shown.

    Raises
    ------
    gradio.Error
        If it is no place.
    """
    place = _index(event)
    if not isinstance(place, (list, tuple)) or [type(value) in (int, float) for value in place] != [
        True,
        True,
    ]:
        raise gr.Error("Click a place in the picture.", print_exception=False)
    return place[0], place[1]


def _index(event: gr.EventData) -> object:
    """Return what an event says was chosen; a program may send anything in the place of an object."""
    try:
        return event.index
    except (AttributeError, TypeError, KeyError, IndexError):
        return None
