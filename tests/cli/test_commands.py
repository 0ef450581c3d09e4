"""Which subcommand is called, and what every one of them has."""

import json

import pytest
from PIL import Image

from emotion import __version__
from emotion.cli import COMMANDS, main


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    shown = capsys.readouterr().out
    assert stopped.value.code == 0
    assert shown.startswith("usage: python -m emotion [")
    assert all(f"  {word} " in shown and command.SUMMARY in shown for word, command in COMMANDS.items())


@pytest.mark.parametrize("word", COMMANDS)
def test_every_command_has_a_help_of_its_own(word, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([word, "--help"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m emotion {word} ")


@pytest.mark.parametrize("words", [[], ["predict"]])
def test_pictures_are_classified_with_the_word_and_without(words, tmp_path, capsys):
    Image.new("RGB", (64, 48), "navy").save(tmp_path / "blue.png")
    assert main([*words, str(tmp_path), "--json"]) == 0
    assert [entry["faces"] for entry in json.loads(capsys.readouterr().out)] == [[]]


def test_a_folder_that_has_the_name_of_a_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "predict").mkdir()
    Image.new("RGB", (64, 48), "navy").save(tmp_path / "predict" / "blue.png")
    assert main(["./predict", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1
