"""What a tab is, what all tabs share, and what their events have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import gradio as gr

from emotion.web.service import Service

SILENT: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}

# As a default value, it asks Gradio for a progress bar.
PROGRESS = gr.Progress()

# In the browser: screen readers announce what comes into the component, which is there before its words.
ANNOUNCED = "element.setAttribute('role', 'status');"

# What a handler returns: new values for some of the components.
Update = dict[Any, Any]


class Tab(ABC):
    """A tab: its components, laid out when it is made, and the handlers of their events.

    `id` is for links, and after "tab." the key of its name; `forgets` is cleared when the visitor closes the
    page.
    """

    id: ClassVar[str]
    forgets: Sequence[gr.State] = ()

    def __init__(self, service: Service) -> None:
        self.service = service

    @abstractmethod
    def wire(self, page: Page) -> None:
        """Connect the events; all tabs are laid out by now."""


@dataclass(frozen=True)
class Page:
    """What all tabs share.

    `heading` names the model that answers, `own` is the visitor's own model (None for the host's), and `bar`
    selects a tab by its id.
    """

    blocks: gr.Blocks
    heading: gr.HTML
    own: gr.State
    bar: gr.Tabs
    tabs: Sequence[Tab]


def state(service: Service) -> gr.State:
    """Return a place for what a tab remembers for its visitor."""
    return gr.State(time_to_live=service.limits.remembered_seconds)


def chosen(event: gr.EventData, count: int) -> int:
    """Return which of `count` shown things was chosen; gr.Error for anything else an API client may send."""
    index = told(event, "index")
    if not isinstance(index, int) or not 0 <= index < count:
        raise gr.Error("Choose one of those that are shown.", print_exception=False)
    return index


def point(event: gr.EventData) -> tuple[float, float]:
    """Return where a picture was clicked, x and y in pixels of what is shown; gr.Error without a point."""
    match told(event, "index"):
        case [int() | float() as x, int() | float() as y]:
            return x, y
    raise gr.Error("Click inside the picture.", print_exception=False)


def told(event: gr.EventData, name: str) -> object:
    """Return what an event says under a name; a program may send anything instead of an object."""
    try:
        return getattr(event, name)
    except (AttributeError, TypeError, KeyError, IndexError):
        return None
