"""Links from a model's card to its Spaces."""

import pytest

from emotion.model.loading import EMBEDDED
from emotion.report.metadata import (
    datasets_on_hub,
    keep_changes,
    license_fields,
    link_space,
    linked_spaces,
    marked,
    split_card,
)

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


@pytest.mark.parametrize(
    ("sources", "ids"),
    [
        (["hf:a/b/default"], ["a/b"]),
        (["hf:a/b@v2", "hf:c/d"], ["a/b", "c/d"]),
        (["my-faces", "hf:a/b", "hf:a/b/other"], ["a/b"]),
        (["kaggle:a/b", "faces"], []),
        (["hf:a b", "hf:<script>/x", 7], []),
        ("hf:a/b", ["a/b"]),
    ],
)
def test_only_valid_ids_of_data_sets_on_the_hub_are_named(sources, ids):
    assert datasets_on_hub(sources) == ids


@pytest.mark.parametrize(
    ("stated", "fields"),
    [
        ("CC-BY-4.0", {"license": "cc-by-4.0"}),
        (None, {"license": "other", "license_name": "not-stated"}),
        (" ", {"license": "other", "license_name": "not-stated"}),
        (["mit"], {"license": "other", "license_name": "not-stated"}),
        ("Faces of my friends!", {"license": "other", "license_name": "faces-of-my-friends"}),
    ],
)
def test_a_licence_is_what_was_stated_and_never_mit_by_default(stated, fields):
    assert license_fields(stated) == fields


def a_card(accuracy="80%", **data):
    settings = {"license": "other", "license_name": "not-stated", "library_name": "keras"} | data
    lines = "\n".join(f"{key}: {value}" for key, value in settings.items())
    return marked(
        f"---\n{lines}\n---\n\n# Faces\n\nRight for {accuracy}.\n\n## Limits\n\nOnly cats.\n\n## Load\n\nSo:"
    )


def test_a_card_that_nobody_changed_is_replaced():
    assert keep_changes(a_card("90%"), "") == a_card("90%")
    again = keep_changes(a_card("90%"), a_card("80%"))
    assert split_card(again)[0] == split_card(a_card())[0]
    assert "90%" in again
    assert "80%" not in again


def test_what_a_person_changed_survives_every_later_push():
    theirs = (
        a_card().replace("license: other", "license: cc-by-4.0").replace("license_name: not-stated\n", "")
    )
    theirs = theirs.replace("library_name: keras", "library_name: keras\nlanguage: de")
    theirs = theirs.replace("Only cats.", "Only cats.\n\nAnd my dog.").replace("\n\n## Load\n\nSo:", "")
    theirs = link_space(theirs, "user/demo")
    second = keep_changes(a_card("90%"), theirs)
    for card in (second, keep_changes(a_card("95%"), second)):
        data, text = split_card(card)
        assert data["license"] == "cc-by-4.0"
        assert "license_name" not in data
        assert data["language"] == "de"
        assert "Only cats.\n\nAnd my dog." in text
        assert "## Load" not in text
        assert "Try it" not in text  # the program's own line, which publishing adds again
    assert "90%" in second


def test_changed_words_stay_and_new_figures_come():
    theirs = a_card().replace("Only cats.", "Only cats and dogs.")
    kept = keep_changes(a_card("90%"), theirs)
    assert "Only cats and dogs." in kept
    assert "Only cats.\n" not in kept
    assert "Right for 90%." in kept


def test_a_card_from_before_there_was_a_record_keeps_licence_and_own_sections():
    old = "---\nlicense: apache-2.0\nlanguage: en\n---\n# Faces\n\n80%\n\n## Thanks\n\nTo Ada."
    kept = keep_changes(a_card("90%"), old)
    data, text = split_card(kept)
    assert (data["license"], data["language"]) == ("apache-2.0", "en")
    assert "license_name" not in data
    assert "## Thanks\n\nTo Ada." in text
    assert "80%" not in text
    former_default = keep_changes(a_card(), "---\nlicense: mit\n---\n# Faces")
    assert split_card(former_default)[0]["license"] == "other"


@pytest.mark.parametrize("theirs", ["no metadata", "---\n: [\n---\n", "```\n\n---\n"])
def test_a_published_card_that_cannot_be_read_costs_nothing(theirs):
    assert split_card(keep_changes(a_card("90%"), theirs))[0]["library_name"] == "keras"
