"""The files of a static Space: the page that `python -m emotion web` writes, with the model in it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from huggingface_hub import constants

from emotion.errors import PublishError

ROOT = Path(__file__).parents[2]


def static_files(model: str, *, token: str | None = None) -> dict[str, Path | bytes]:
    """Return the page for a model, "owner/name[@revision]" on the Hub, by path.

    The command writes it in a process of its own, because this room lies below the page's.

    Raises
    ------
    PublishError
        If the model cannot be loaded, with the cause.
    """
    environment = {**os.environ, "HF_ENDPOINT": constants.ENDPOINT}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    if token:
        environment["HF_TOKEN"] = token
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "emotion", "web", name, "--model", model]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise PublishError(
                done.stderr.strip().removeprefix("error: ") or "The page could not be written."
            )
        paths = (path for path in Path(name).rglob("*") if path.is_file())
        return {path.relative_to(name).as_posix(): path.read_bytes() for path in paths}
