"""The app's process: a private folder for uploads, and an end that leaves nothing behind.

This file does not import Gradio, which reads the name of its temporary folder when it is imported.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from emotion.errors import EmotionError

FOLDER_VARIABLE = "GRADIO_TEMP_DIR"
# Ctrl-C, what stops a service or a container, and a terminal that is closed.
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
# Seconds that threads get to give up what they are writing; nothing waits for their answers.
SETTLES_WITHIN = 2.0

logger = logging.getLogger(__name__)


def use_private_folder() -> Path:
    """Make the folder for uploads, which only this user can enter, and delete it at the end of the program.

    It lies in GRADIO_TEMP_DIR if that is set, else in the system's folder for temporary files.

    Raises
    ------
    EmotionError
        If the folder cannot be made.
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


def end_on_signals(folder: Path) -> None:
    """On Ctrl-C and SIGTERM, kill the child processes, delete the folder and exit with status 0.

    Without a handler, SIGTERM ends Python without running `atexit`, and the first process of a container
    ignores it.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        deadline = time.monotonic() + SETTLES_WITHIN
        # Threads of requests may start a child or write a file meanwhile.
        while (end_children() | delete(folder)) and time.monotonic() < deadline:
            time.sleep(0.02)
        # sys.exit would wait for the threads of requests.
        os._exit(0)

    for name in SIGNALS:
        number = getattr(signal, name, None)
        # `nohup`, or `&` in a script, starts programs with some signals ignored on purpose.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


def end_children() -> bool:
    """Kill the child processes; return whether there were any. Elsewhere than on Linux, do nothing."""
    children = _children()
    for child in children:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(child, signal.SIGKILL)
    return bool(children)


def delete(folder: Path) -> bool:
    """Delete a folder with all that is in it; return whether there was one."""
    if not folder.exists():
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _children() -> list[int]:
    """Return the ids of the running child processes; none where /proc does not tell this process's own."""
    # A `/proc` from outside of this container would list strangers under these numbers.
    if not Path("/proc/self").exists() or os.readlink("/proc/self") != str(os.getpid()):
        return []
    found = []
    for name in os.listdir("/proc"):
        # Processes end meanwhile.
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name of the program, in parentheses, may hold spaces and parentheses itself.
            state, parent = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                found.append(int(name))
    return found
