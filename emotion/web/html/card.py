"""A stranger's model card, made harmless."""

from __future__ import annotations

import re

# As Markdown writes it. No part may hold its own opening bracket, so that a hostile text takes no longer than
# others.
PICTURE = r"!\[[^\[\]]*\](?:\([^()]*\)|\[[^\[\]]*\])?"


def card_text(card: str | None) -> str:
    """Return a model card as Markdown without metadata block, pictures and sections of nothing but pictures.

    Pictures would be fetched from other machines (or point to files that are not served), and raw HTML in a
    stranger's card is not ours to show; only folding sections stay.
    """
    if not card:
        return "This model came without a card."
    text = re.sub(r"\A---\n.*?\n---\n", "", card, flags=re.DOTALL)
    text = re.sub(rf"^#+ [^\n]*\n(?:\s*{PICTURE})+\s*(?=^#|\Z)", "", text, flags=re.MULTILINE)
    text = re.sub(PICTURE, " ", text)  # a space, so that what stood around it cannot become a picture
    text = re.sub(r"(?<!!)!+\[", "[", text)  # whatever else may be a picture becomes a link
    return re.sub(r"<(?!/?(?:details|summary)>)[^<>]*>", " ", text).strip()
