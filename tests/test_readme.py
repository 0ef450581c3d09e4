"""Every command of the README and of docs/ does what it says: run on small data, as far as one computer can.

What needs hours, a download or another machine runs shorter or dry, and says so where it is called.
"""

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from packaging.requirements import Requirement
from PIL import Image

from emotion import cli
from emotion.training import command as training
from emotion.training.arguments import build_parser
from tests.app_process import running_app
from tests.drawn_faces import draw_face
from tests.hub_server import WRITE_TOKEN, Account
from tests.video.clips import encode, quarters

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
LINKS = re.compile(r"\]\((?!https?:)([^)#]+)")
FENCES = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = ("python", "make", "pip", "hf", "docker", "facial-emotion", "facial-emotion-app")
# Networks of seconds; an option that is given twice has its last value.
SHORT, SMALL = "--epochs 1 --batch-size 64 --patience 0".split(), "--width 4 --blocks 1".split()
SHORT_RECIPE = ["--teacher-epochs", "0", "--initial-weights", "", "--ensemble-size", "1"]
FACES = dict.fromkeys(("happy", "joy", "surprise"), "happy") | dict.fromkeys(("sad", "fear"), "sad")
LABELS = ("angry", "happy", "sad", "joy", "rage", "neutral", "fear", "surprise", "disgust")


def commands() -> list[str]:
    """What the pages tell people to type: in blocks, and within sentences."""
    blocks = [block for language, block in FENCES.findall(TEXT) if not language]
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", FENCES.sub("", TEXT))]
    typed = [*lines, *(span for span in spans if " " in span and program(span) in PROGRAMS)]
    return list({tuple(shlex.split(command, comments=True)): command for command in typed}.values())


def program(command: str) -> str:
    """The first word of a command that is no setting, without the folder of the environment."""
    words = [word for word in command.split() if "=" not in word or word.startswith("-")]
    return words[0].removeprefix(".venv/bin/") if words else ""


def trains(command: str) -> bool:
    return command.startswith("python train.py") and not re.search(
        "--(publish|evaluate|resume|search|over|help)", command
    )


def cases() -> list:
    """Every command; those of docs/ that train once more, with other settings, are long."""
    readme = PAGES[0].read_text(encoding="utf-8")
    return [
        pytest.param(
            command,
            id=command.split("  ")[0],
            marks=[pytest.mark.long] if trains(command) and command.split("  ")[0] not in readme else [],
        )
        for command in commands()
    ]


def python_blocks() -> list[str]:
    return [block for language, block in FENCES.findall(TEXT) if language == "python"]


@pytest.fixture(scope="module")
def place(tmp_path_factory, trained_model) -> Path:
    """A folder with everything that the commands name."""
    folder, rng = tmp_path_factory.mktemp("readme"), np.random.default_rng(0)
    for data, split, count in (("pictures", "train", 8), ("pictures", "validation", 6), ("more", "train", 4)):
        for label in LABELS:
            (folder / data / split / label).mkdir(parents=True)
            for number in range(count):
                face = draw_face(FACES.get(label, "angry" if label == "rage" else "neutral"), rng)
                Image.fromarray(face).save(folder / data / split / label / f"{number}.png")
    shutil.copytree(folder / "pictures", folder / "FER2013")
    (folder / "FER2013/ferplus_votes.csv").write_text("image,angry,happy,sad\ntrain/happy/0.png,1,9,0\n")
    rows = [f"validation/{label}/{number}.png,{number % 2}" for label in LABELS for number in range(6)]
    (folder / "groups.csv").write_text("\n".join(["image,camera", *rows]))
    shutil.copytree(trained_model, folder / "runs/today")
    shutil.copytree(trained_model, folder / "runs/new")
    shutil.copytree(trained_model, folder / "FOLDER")
    # Seven outputs, as docs/comparing.md says of it.
    shutil.copy(ROOT / "emotion/pretrained/model.tflite", folder / "theirs.tflite")
    (folder / "emotion").mkdir()
    shutil.copytree(ROOT / "emotion/pretrained", folder / "emotion/pretrained")
    (folder / "album").mkdir()
    picture = next((ROOT / "examples").glob("*happy*.jpg"))
    encode(folder / "clip.mp4", quarters(8))
    for name in ("photo.jpg", "holiday.jpg", "album/1.jpg"):
        shutil.copy(picture, folder / name)
    return folder


@pytest.fixture
def world(place, hub, trained_model, monkeypatch) -> Path:
    """The folder, and a Hub on which the reader is signed in and owner/name is theirs."""
    hub.accounts[WRITE_TOKEN] = Account("user", organisations=("owner",))
    hub.sign_in()
    hub.add_repository("owner/name", trained_model)
    monkeypatch.setattr("emotion.data.sources.is_reachable", lambda _: True)
    monkeypatch.setattr("kagglehub.dataset_download", lambda _: str(place / "pictures"))
    monkeypatch.chdir(place)
    return place


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("command", cases())
def test_command(command, capsys, monkeypatch, tmp_path):
    words = shlex.split(command, comments=True)
    while "=" in words[0]:
        monkeypatch.setenv(*words.pop(0).split("=", 1))
    match [words[0].removeprefix(".venv/bin/"), *words[1:]]:
        # What the targets do, tests/test_makefile.py shows; here, that they are there.
        case ["make", *targets]:
            assert run("make", "--dry-run", *targets, cwd=ROOT)
        case ["python", "train.py", *options]:
            check_training(options, tmp_path / "run", capsys)
        # Whatever camera it names, a clip stands in for it; a window needs a screen.
        case ["python", "-m", "emotion", "watch", *options]:
            shown = [option for option in options if option.startswith("-") and option != "--show"]
            assert cli.main(["watch", "clip.mp4", *shown]) == 0, capsys.readouterr().err
        case ["python", "-m", "emotion", *options] | ["facial-emotion", *options]:
            assert cli.main(options) == 0, capsys.readouterr().err
        # They take minutes or peers' programs: here, that they know their options.
        case ["python", "-m", module, *options] if module.startswith("benchmarks."):
            monkeypatch.setattr(sys, "argv", [module, "--help"])
            with pytest.raises(SystemExit, match="0"):
                importlib.import_module(module).main()
            shown = capsys.readouterr().out
            assert all(option in shown for option in options if option.startswith("-"))
        case ["python", "app.py"] | ["facial-emotion-app"]:
            with running_app(tmp_path, HF_HUB_OFFLINE="0") as app:
                client = Client(app.url, verbose=False)
                answer = client.predict(handle_file("photo.jpg"), api_name="/classify")
            assert answer["model"] == os.environ.get("EMOTION_MODEL", "embedded default")
        case [("pip" | "docker" | "hf"), *_] as typed:
            check_installer(typed, tmp_path, monkeypatch)
        case other:
            pytest.fail(f"Nothing here runs {other}.")


@pytest.mark.parametrize("command", [command for command in commands() if trains(command)])
def test_options_of_training(command):
    words = shlex.split(command, comments=True)
    build_parser().parse_args(words[words.index("train.py") + 1 :])


def check_training(options: list[str], output: Path, capsys: pytest.CaptureFixture) -> None:
    """Run train.py: where it trains, a small network for one epoch."""
    if options in (["--help"], ["--help-all"]):
        with pytest.raises(SystemExit, match="0"):
            training.main(options)
        shown = capsys.readouterr().out
        assert "--data" in shown
        assert ("--learning-rate" in shown) == (options == ["--help-all"])
        return
    if "--over" in options:
        build_parser().parse_args(options)
        return
    searching = "--search" in options
    finished = {"--publish", "--evaluate", "--resume"}.intersection(options)
    if not finished and "--freeze" not in options:
        small = [] if "lenet5" in options else SMALL
        options += [*SHORT, *small, *(SHORT_RECIPE if "--recipe" in options else [])]
    if "--push" in options:  # one epoch on a few faces may be no better than guessing
        options += ["--publish-anyway"]
    if searching:
        options += ["--search", "1"]
    elif finished <= {"--evaluate"}:
        options += ["--output", str(output)]
    assert training.main(options) == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    assert "Accuracy " in printed or "Published: " in printed
    assert ("Published: " in printed) == ("--push" in options)
    assert ("\nSpace: " in printed) == ("--space" in options)


def check_installer(typed: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command of other programs as far as no download is needed."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-index", "--no-build-isolation"]
    match typed:
        case ["pip", "install", what] if what.startswith("."):
            assert what == ".[app]"
            run(*pip, "install", "--dry-run", *alone, what, cwd=ROOT)
        case ["pip", "install", "-r", file]:
            lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
            assert [Requirement(line.partition("#")[0]) for line in lines if line[:1] not in "#"]
        case ["pip", "install", what]:
            assert str(Requirement(what)) == what
        case ["pip", "wheel", "--no-deps", "--wheel-dir", "dist", "."]:
            run(*pip, "wheel", *alone, "--wheel-dir", folder, ".", cwd=ROOT)
            assert list(folder.glob("emotion_faces-*-py3-none-any.whl"))
        case ["hf", "auth", "login"]:
            assert "--token" in run(hf(), "auth", "login", "--help", cwd=folder)
        case ["hf", "jobs", "uv", "run", *options]:
            monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
            shown = run(hf(), "jobs", "uv", "run", "--dry-run", *options, cwd=ROOT)
            assert "t4-small" in shown
            assert "--data hf:owner/name --push" in shown
            build_parser().parse_args(options[options.index("train.py") + 1 :])
        # tests/space/test_running.py does what the Dockerfile says, step by step.
        case ["docker", *_]:
            assert (ROOT / "Dockerfile").is_file()
        case other:
            pytest.fail(f"Nothing here runs {other}.")


@pytest.mark.parametrize("block", python_blocks(), ids=lambda block: block.splitlines()[0])
@pytest.mark.usefixtures("world")
def test_python(block, tmp_path, capsys):
    """The model's answer, the API's and the tool's, printed or kept."""
    names: dict = {"frames": [np.asarray(Image.open("photo.jpg").convert("RGB"))]}
    with running_app(tmp_path) if ":7860" in block else nullcontext() as app:
        code = block.replace("http://127.0.0.1:7860", app.url) if app else block
        exec(compile(code, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "happy" in printed or names["answer"]["faces"][0]["label"] == "happy"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_of_the_repository(page):
    links = LINKS.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_a_page_answers_one_question_and_the_readme_names_it(page):
    title = page.read_text(encoding="utf-8").splitlines()[0]
    assert title.startswith("# ")
    assert title.endswith("?")
    assert f"| {title[2:]} | [docs/{page.name}](docs/{page.name}) |" in PAGES[0].read_text(encoding="utf-8")


def run(*words: object, cwd: Path) -> str:
    """Run a program that has to succeed, and return what it prints."""
    done = subprocess.run([*map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def hf() -> Path:
    """The Hub's command, as the environment has it."""
    return Path(sys.executable).with_name("hf")
