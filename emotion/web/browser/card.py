"""A model card as HTML for the static page; in the app, Gradio does this."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

# Headings of the card stand below the page's.
LOWER = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6"}
METADATA = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def card_html(card: str | None) -> str:
    """Return a stranger's card as HTML: tags in it are shown as text, pictures not at all."""
    if not card:
        return "<p>This model came without a card.</p>"
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("image", _nothing)
    tokens = parser.parse(METADATA.sub("", card))
    for index, token in enumerate(tokens):
        if token.type.startswith("heading"):
            token.tag = LOWER.get(token.tag, token.tag)
        # A table has to have a head in Markdown; an empty one is read aloud as none.
        if token.type == "th_open" and not tokens[index + 1].content:
            token.tag = tokens[index + 2].tag = "td"
    return parser.renderer.render(tokens, parser.options, {})


def _nothing(*_: object) -> str:
    return ""
