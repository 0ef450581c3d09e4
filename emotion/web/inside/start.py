"""What must be arranged before Gradio is imported; nothing here imports it."""

from __future__ import annotations

import atexit
import contextlib
import inspect
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emotion.errors import EmotionError

FOLDER_VARIABLE = "GRADIO_TEMP_DIR"

logger = logging.getLogger(__name__)


def use_private_folder() -> Path:
    """Make the folder for uploads, which only this user can enter; it is deleted when the program ends.

    It lies in GRADIO_TEMP_DIR if that is set, else in the system's folder for temporary files. An
    EmotionError says that it could not be made. Gradio 6.31 reads the variable once, when it is imported, and
    by default shares one folder with every other Gradio app on the computer. This can go when `launch` takes
    a folder.
    """
    if "gradio" in sys.modules:  # `import spaces` imports it, too
        logger.warning("Gradio was imported first, so it keeps the pictures of MCP clients elsewhere.")
    parent = os.environ.get(FOLDER_VARIABLE)
    try:
        if parent:
            Path(parent).mkdir(parents=True, exist_ok=True)
        # Resolved: Gradio compares paths as texts.
        folder = Path(tempfile.mkdtemp(prefix="emotion-uploads-", dir=parent)).resolve()
    except OSError as error:
        raise EmotionError(
            f"The folder for uploads could not be made: {error}. Set {FOLDER_VARIABLE} to a writable folder."
        ) from error
    os.environ[FOLDER_VARIABLE] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextlib.contextmanager
def without_type_stubs() -> Iterator[None]:
    """Keep Gradio from writing a type stub beside the source of each component class.

    Gradio 6.31 parses these sources whenever such a class is created. The first page of an empty Gradio app
    appears after 3.2 seconds, that of this app, without stubs, after 2.4 (`benchmarks.latency --only start`).
    Gradio skips classes whose source file is not found, so none is found here. This can go when stubs are
    optional.
    """
    find = inspect.getfile

    def find_but_for_components(object: Any) -> str:
        if type(object).__name__ == "ComponentMeta":
            raise OSError
        return find(object)

    inspect.getfile = find_but_for_components
    try:
        yield
    finally:
        inspect.getfile = find
