"""What a Space consists of."""

from emotion.report.metadata import split_card
from emotion.space.files import IDENTITY, PACKAGE, space_card, space_files
from tests.app_process import EXAMPLES, ROOT

# Made by Python and by Gradio, or for type checkers.
NOT_NEEDED = (".pyc", ".pyi", "py.typed", ".d.ts", "jsconfig.json")


def test_nothing_that_serving_rooms_hold_is_left_out():
    folders = {path.split("/")[1] for path in space_files() if path.startswith("emotion/")}
    held = {
        f"emotion/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.relative_to(PACKAGE).parts[0] in folders
    }
    assert {"web", "vision", "model", "report", "predictions", "video", "drawing.py"} <= folders
    assert not [path for path in held - space_files().keys() if not path.endswith(NOT_NEEDED)]


def test_every_example_comes_with_its_licence():
    programs = (".py", ".ipynb", ".html")  # for those who have the repository
    examples = {f"examples/{path.name}" for path in EXAMPLES.iterdir() if path.suffix not in programs}
    assert examples - {"examples/__pycache__"} <= space_files().keys()
    assert "examples/README.md" in examples
    assert not any(path.endswith(programs) for path in space_files() if path.startswith("examples/"))


def test_the_same_again_is_the_same_to_the_byte():
    assert space_files() == space_files()
    assert space_card("user/model") == space_card("user/model")


def test_the_readme_and_the_space_show_one_identity():
    ours, _ = split_card((ROOT / "README.md").read_text(encoding="utf-8"))
    theirs, _ = split_card(space_card("user/model"))
    shown = IDENTITY.keys()
    assert {key: ours[key] for key in shown} == {key: theirs[key] for key in shown} == IDENTITY
