"""A real `app.py` process on loopback, with its own folder for temporary files."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
STARTS_WITHIN = 120  # seconds, on a busy machine
ENDS_WITHIN = 10  # seconds after its answer, on a busy machine


@dataclass(frozen=True)
class RunningApp:
    url: str
    process: subprocess.Popen
    temporary: Path
    log: Path

    @property
    def uploads(self) -> Path:
        """The folder that the app made for uploads."""
        (folder,) = self.temporary.glob("emotion-uploads-*")
        return folder

    def files_on_disk(self) -> list[Path]:
        """Everything that visitors left behind in the system's folder for temporary files.

        An answer may arrive a moment before its request has ended, so files get that moment to disappear.
        """
        deadline = time.monotonic() + ENDS_WITHIN
        while (
            left := [path for path in self.temporary.rglob("*") if path.is_file()]
        ) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


@contextlib.contextmanager
def running_app(
    folder: Path, *, command: Sequence[str] = (sys.executable, "app.py"), **environment: str
) -> Iterator[RunningApp]:
    """Start the app as a person does, wait until it answers, and stop it afterwards."""
    port = free_port()
    temporary = folder / "temporary"
    temporary.mkdir()
    settings = {
        "GRADIO_SERVER_PORT": str(port),
        "TMPDIR": str(temporary),
        "HF_HUB_OFFLINE": "1",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    inherited = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**inherited, **settings, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    app = RunningApp(f"http://127.0.0.1:{port}", process, temporary, folder / "log.txt")
    try:
        deadline = time.monotonic() + STARTS_WITHIN
        while not answers(app.url):
            assert process.poll() is None, app.log.read_text()
            assert time.monotonic() < deadline, f"no answer in {STARTS_WITHIN} s\n{app.log.read_text()}"
            time.sleep(0.2)
        yield app
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/config", timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
