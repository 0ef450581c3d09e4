"""Links from a model's card to the Spaces that serve it, in its words and in its metadata."""

from __future__ import annotations

import re
from typing import Any

from huggingface_hub import CardData, RepoCard, constants
from yaml import YAMLError


def link_space(card: str, space: str) -> str:
    """Return a model's card with a link to a Space; as it is if it has one, or holds no readable metadata."""
    data, text = split_card(card)
    spaces = linked_spaces(card)
    if space in spaces or not data:
        return card
    line = f"**Try it** in your browser: [{space}]({constants.ENDPOINT}/spaces/{space})"
    # Below the title, or at the top of a card without one.
    title = re.search(r"^# .*$", text, re.MULTILINE)
    place = title.end() if title else 0
    text = f"{text[:place]}\n\n{line}{text[place:]}"
    return join_card(data | {"spaces": [*spaces, space]}, text)


def linked_spaces(card: str) -> list[str]:
    """Return the Spaces that a model's card links to."""
    found = split_card(card)[0].get("spaces")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def split_card(card: str) -> tuple[dict[str, Any], str]:
    """Return the metadata and the text of a card that anybody may have written; no metadata if unreadable."""
    # The client would log that there is none.
    if not card.lstrip().startswith("---"):
        return {}, card
    try:
        parsed = RepoCard(card, ignore_metadata_errors=True)
    except (ValueError, TypeError, YAMLError):
        return {}, card
    return parsed.data.to_dict(), parsed.text


def join_card(data: dict[str, Any], text: str) -> str:
    """Return a card of metadata and text."""
    return f"---\n{CardData(**data).to_yaml()}\n---\n{text}"
