"""Links from a model's card to its Spaces."""

import pytest

from emotion.model.loading import EMBEDDED
from emotion.report.metadata import link_space, linked_spaces, split_card

CARD = (EMBEDDED / "README.md").read_text("utf-8")


def test_a_link_stands_below_the_title_and_in_the_metadata_and_changes_nothing_else():
    linked = link_space(CARD, "user/demo")
    added = [line for line in linked.splitlines() if line not in CARD.splitlines()]
    assert added == [
        "spaces:",
        "- user/demo",
        "**Try it** in your browser: [user/demo](https://huggingface.co/spaces/user/demo)",
    ]
    assert [line for line in CARD.splitlines() if line not in linked.splitlines()] == []
    assert linked.index("# Facial emotion") < linked.index("**Try it**") < linked.index("A small network")


def test_several_spaces_are_linked_once_each():
    twice = link_space(link_space(CARD, "user/one"), "user/two")
    assert linked_spaces(twice) == ["user/one", "user/two"]
    assert link_space(twice, "user/one") == twice


@pytest.mark.parametrize(
    "card", ["", "no metadata", "---\n: [\n---\n", "---\n- a list\n---\ntext", "---\n1: a\n---\n"]
)
def test_a_card_that_cannot_be_read_stays_as_it_is(card):
    assert linked_spaces(card) == []
    assert link_space(card, "user/demo") == card


@pytest.mark.parametrize("spaces", ["text", "3", "[1, 2]", "{a: b}"])
def test_spaces_that_somebody_wrote_in_another_way_are_no_links(spaces):
    card = f"---\nlicense: mit\nspaces: {spaces}\n---\ntext"
    assert linked_spaces(card) == []
    assert split_card(link_space(card, "user/demo"))[0]["spaces"] == ["user/demo"]
