"""What was deployed, and what the Dockerfile describes, run alone and without rights, and answer.

INSTALL_REQUIREMENTS=1 installs what they need, as the Hub and Docker do; it takes minutes.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import pytest
from gradio_client import Client, handle_file

from emotion.model.loading import EMBEDDED
from emotion.space.deploy import deploy
from tests.app_process import EXAMPLES, ROOT
from tests.space.environments import INSTALLS, NOBODY, Container, base_python, new_environment, runs_as_nobody

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="the Hub and Docker run Linux"),
]

# What the builder of Gradio Spaces installs beside the requirements.
ADDED_BY_THE_HUB = (f"gradio[oauth,mcp]=={version('gradio')}", "spaces")
PICTURE = next(EXAMPLES.glob("*-happy.*"))


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that everybody may enter: pytest's own are for whoever runs it."""
    with tempfile.TemporaryDirectory(prefix="container-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        for path in folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)


def answer(url: str) -> dict:
    return Client(url, verbose=False).predict(handle_file(PICTURE), api_name="/classify")


def test_a_space_runs_from_the_uploaded_files_alone(hub, root):
    hub.sign_in()
    hub.add_repository("user/model", EMBEDDED)
    deploy("user/model", "user/demo")
    program = root / "app"
    for path, content in hub.files("user/demo", repo_type="space").items():
        (program / path).parent.mkdir(parents=True, exist_ok=True)
        (program / path).write_bytes(content)
    python = new_environment(root / "environment", program / "requirements.txt", *ADDED_BY_THE_HUB)
    container = Container.around(program, python, root)
    environment = {
        **hub.settings,
        "HF_HOME": str(container.cache),
        "SPACE_ID": "user/demo",
        "SPACE_AUTHOR_NAME": "user",
        **hub.repository("user/demo", "space").variables,
        # It makes Gradio look for `spaces`.
        **({"SYSTEM": "spaces"} if INSTALLS else {}),
    }
    log = root / "log.txt"
    with container.running(["app.py"], environment, log) as url:
        answered = answer(url)
    assert (answered["model"], answered["revision"]) == (
        "user/model",
        hub.repository("user/model").branches["main"].sha,
    )
    assert [face["label"] for face in answered["faces"]] == ["happy"]
    assert "Traceback" not in log.read_text()
    assert "0.0.0.0" in log.read_text()
    (model,) = container.cache.rglob("model.tflite")
    assert model.lstat().st_uid == (NOBODY if runs_as_nobody(base_python()) else os.getuid())
    environment |= {"EMOTION_MODEL": "user/nothing", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [python, "app.py"], cwd=program, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "There is no user/nothing" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


class Dockerfile:
    """The instructions of the Dockerfile."""

    def __init__(self) -> None:
        text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        self.steps = [tuple(line.split(maxsplit=1)) for line in lines]

    def __getitem__(self, name: str) -> list[str]:
        return [words for instruction, words in self.steps if instruction == name]

    def copied(self) -> list[tuple[Path, Path]]:
        """What is copied, and where to below the working folder."""
        pairs = []
        for words in self["COPY"]:
            *sources, target = words.split()
            place = Path(target)
            pairs += [(Path(source), place / source if target.endswith("/") else place) for source in sources]
        return pairs

    def command(self, name: str) -> list[str]:
        """The command of CMD or HEALTHCHECK, after its Python."""
        (words,) = self[name]
        python, *command = shlex.split(re.search(r"\[(.*)\]", words)[1].replace(",", " "))
        assert python == "python"
        return command

    @property
    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for words in self["ENV"] for pair in words.split())


def kept(path: Path) -> bool:
    """Whether .dockerignore lets a path reach the builder: the last pattern that fits decides."""
    keep = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        fits = any(
            fnmatch(str(part), pattern) or fnmatch(part.name, pattern.removeprefix("**/"))
            for part in (path, *path.parents[:-1])
        )
        if line and not line.startswith("#") and fits:
            keep = line.startswith("!")
    return keep


def left_out(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not kept(Path(folder, name).relative_to(ROOT))]


def test_the_dockerfile_builds_an_app_that_runs_without_rights(root):
    dockerfile = Dockerfile()
    program = root / "app"
    for source, target in dockerfile.copied():
        (program / target).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, program / target, ignore=left_out)
        else:
            assert kept(source)
            shutil.copyfile(ROOT / source, program / target)
    assert "pip install --no-cache-dir --requirement requirements-app.txt" in dockerfile["RUN"]
    python = new_environment(root / "environment", program / "requirements-app.txt")
    container = Container.around(program, python, root)
    environment = dockerfile.environment | {"HF_HOME": str(container.cache), "HF_HUB_OFFLINE": "1"}
    with container.running(dockerfile.command("CMD"), environment, root / "log.txt") as url:
        answered = answer(url)
        port = {"GRADIO_SERVER_PORT": url.rpartition(":")[2]}
        check = [python, *dockerfile.command("HEALTHCHECK")]
        healthy = subprocess.run(check, cwd=program, env=os.environ | port, capture_output=True, text=True)
    ill = subprocess.run(check, cwd=program, env=os.environ | port, capture_output=True, text=True)
    assert answered["model"] == "embedded default"
    assert [face["label"] for face in answered["faces"]] == ["happy"]
    assert (healthy.returncode, healthy.stderr) == (0, "")
    assert ill.returncode == 1
    assert "does not answer" in ill.stderr
    assert dockerfile["USER"] not in ([], ["root"])
    assert dockerfile["VOLUME"] == [dockerfile.environment["HF_HOME"]]
