"""The package in an empty folder: everything inside its wheel, and plain words where something is missing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import emotion
from tools.package_requirements import project_urls

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
COMMANDS = ("facial-emotion", "facial-emotion-train", "facial-emotion-app")
CALL = """
import sys
from importlib.metadata import entry_points
name, *sys.argv[1:] = sys.argv[1:]
(command,) = entry_points(group="console_scripts", name=name)
sys.exit(command.load()())
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder that holds the package as `pip install` leaves it, and nothing else of this repository."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    source = ["--no-deps", "--no-build-isolation", "--no-index", str(ROOT)]
    subprocess.run([*pip, "install", *source, "--target", str(folder)], check=True)
    return folder


def run(installed: Path, folder: Path, *command: str) -> subprocess.CompletedProcess:
    """Run a command of the installed package in a folder."""
    return subprocess.run(
        [sys.executable, "-c", CALL, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_knows_its_version(command, installed, tmp_path):
    done = run(installed, tmp_path, command, "--version")
    assert (done.stdout.strip(), done.stderr) == (emotion.__version__, "")


def test_what_runs_in_browsers_travels_along(installed):
    here, there = (folder / "emotion" / "web" / "browser" for folder in (ROOT, installed))
    files = {path.relative_to(here) for path in here.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert Path("engine/vendor/litert.wasm.gz") in files
    assert {path for path in files if not (there / path).is_file()} == set()


def test_the_citation_names_the_same_version():
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1]
    assert cited == emotion.__version__


def test_the_extras_add_what_the_app_and_training_need(installed):
    (metadata,) = installed.glob("emotion_faces-*.dist-info/METADATA")
    text = metadata.read_text()
    for extra, package in (("app", "gradio"), ("train", "tensorflow-cpu"), ("gpu", "tensorflow[and-cuda]")):
        assert re.search(rf"^Requires-Dist: {re.escape(package)}\W.*extra == '{extra}'$", text, re.MULTILINE)
    assert not re.search(r"^Requires-Dist: (gradio|keras|tensorflow)(?!.*extra ==)", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        ("https://github.com/ada/faces.git", "https://github.com/ada/faces"),
        ("https://ada:secret@github.com/ada/faces", "https://github.com/ada/faces"),
        ("git@github.com:ada/faces.git", "https://github.com/ada/faces"),
        ("ssh://git@git.example.org:2222/ada/faces.git", "https://git.example.org/ada/faces"),
        ("/srv/git/faces.git", None),
        ("file:///srv/git/faces.git", None),
        ("", None),
    ],
)
def test_the_package_names_the_repository_it_was_built_from_without_passwords(remote, source):
    urls = project_urls(remote)
    assert urls.get("Source") == source
    assert bool(urls) == bool(source)
    assert ("Issues" in urls) == ("github" in remote)


def test_the_embedded_model_comes_with_the_package(installed, tmp_path):
    done = run(installed, tmp_path, "facial-emotion", str(ROOT / "examples/2-happy.jpg"))
    assert done.returncode == 0, done.stderr
    assert " happy " in done.stdout
    assert "1 picture, 1 face, 0 skipped" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_space_is_the_same_from_the_package_as_from_a_clone(installed, tmp_path):
    code = """
import hashlib, pathlib
from emotion.space.files import space_files
for path, content in sorted(space_files().items()):
    content = content if isinstance(content, bytes) else content.read_bytes()
    print(path, hashlib.sha256(content).hexdigest())
"""
    listed = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(place)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for place in (installed, ROOT)
    ]
    assert listed[0] == listed[1] != ""


@pytest.mark.parametrize(
    ("script", "advice"),
    [
        ("train.py", "pip install -r requirements.txt"),
        ("app.py", "pip install -r requirements-app.txt"),
    ],
)
def test_a_bare_python_is_told_in_one_line_what_to_type(script, advice):
    bare = [sys.executable, "-S", script]
    done = subprocess.run(bare, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("error: No module named ")
    assert done.stderr.endswith(f"; type: {advice}\n")
    assert len(done.stderr.splitlines()) == 1


def test_the_package_without_its_training_extra_says_what_to_install(installed, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "backend_that_is_not_there")
    done = run(installed, tmp_path, "facial-emotion-train", "--data", "faces")
    assert done.returncode == 2
    assert done.stderr == (
        "error: Not installed: backend_that_is_not_there. Training needs more than the app; "
        'type: pip install "emotion-faces[train]"\n'
    )
