"""A stranger's model card, made harmless."""

import pytest

from emotion.web.html.card import card_text


def test_a_card_loses_its_metadata_and_pictures_but_keeps_its_words():
    card = (
        "---\nlicense: mit\n---\n# Title\n![plot](https://elsewhere/x.png) text\n\n"
        "![b][c]\n<b>bold</b> a < b\n"
        "<details>\n<summary>More</summary>\nfolded\n</details>\n<details ontoggle=evil()>"
    )
    shown = card_text(card)
    assert "license" not in shown
    assert "elsewhere" not in shown
    assert "<b>" not in shown
    assert "# Title" in shown
    assert "text" in shown
    assert "bold" in shown
    assert "<details>" in shown
    assert "<summary>More" in shown
    assert "evil" not in shown
    assert "without a card" in card_text(None)


@pytest.mark.parametrize(
    "hidden",
    [
        "![x]\n\n[x]: https://elsewhere/x.png",
        "!![a](b)[x](c)",
        "!![![a](b)c](d)",
        "![a[b]c](d)",
        "![a](b(c)d)",
        "<<b>img src=c>",
    ],
)
def test_no_writing_makes_a_card_fetch_a_picture(hidden):
    shown = card_text(hidden)
    assert "![" not in shown
    assert "<img" not in shown


def test_a_section_of_nothing_but_pictures_is_not_shown_empty():
    card = (
        "## Plots\n\n![a](a.png)\n\n![b](b.png)\n\n## Use\n\n![c](c.png) for teaching\n\n## More\n![d](d.png)"
    )
    assert card_text(card).split() == ["##", "Use", "for", "teaching"]
