"""A Python with what a requirements file names and nothing else, and programs in it as in a container."""

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.app_process import STARTS_WITHIN, answers, free_port

# Who owns nothing on a Unix system.
NOBODY = 65534
AS_NOBODY = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
# With this variable, packages are really installed; without it, this Python's are linked to, in a second.
INSTALLS = bool(os.environ.get("INSTALL_REQUIREMENTS"))


def new_environment(folder: Path, requirements: Path, *also: str) -> Path:
    """Make an environment of what a requirements file names, and install what else is; return its Python."""
    subprocess.run([base_python(), "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    if INSTALLS:
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
        subprocess.run([*pip, "--requirement", requirements, *also], check=True)
        return python
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in _with_dependencies(requirements.read_text().splitlines()):
        for file in distribution(name).files or ():
            top = file.parts[0]
            # Each file of a package leads to the same folder, and so do packages in one namespace.
            if top != ".." and not (packages / top).exists():
                _lay(Path(str(distribution(name).locate_file(top))), packages / top)
    return python


def _lay(installed: Path, place: Path) -> None:
    """Put a package into an environment: a symbolic link if all users may follow it, else hard links.

    Root's home, where containers often keep a clone and its packages, is closed to other users.
    """
    if all(folder.stat().st_mode & stat.S_IXOTH for folder in installed.resolve().parents):
        place.symlink_to(installed)
    elif installed.is_dir():
        shutil.copytree(installed, place, copy_function=_link_or_copy)
    else:
        _link_or_copy(installed, place)


def _link_or_copy(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _with_dependencies(lines: list[str]) -> set[str]:
    """Return the distributions that requirements bring along, as far as this platform needs them."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(line) for raw in lines if (line := raw.split("#")[0].strip())]
    while waiting:
        requirement = waiting.pop()
        installed = distribution(requirement.name)
        assert requirement.specifier.contains(installed.version, prereleases=True), requirement
        key = (requirement.name.lower(), frozenset(requirement.extras))
        if key in found:
            continue
        found.add(key)
        for line in installed.requires or ():
            needed = Requirement(line)
            extras = requirement.extras or {""}
            if not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return {name for name, _ in found}


def base_python() -> str:
    """Return a Python of this version that somebody without rights may run, where there is one."""
    version = ".".join(map(str, sys.version_info[:2]))
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        if Path(python).exists() and runs_as_nobody(python):
            return python
    return sys.executable


def runs_as_nobody(python: str | Path) -> bool:
    """Whether somebody without rights may run a Python, and this process may become somebody else."""
    if os.getuid() != 0:
        return False
    try:
        return subprocess.run([python, "-c", ""], capture_output=True, **AS_NOBODY).returncode == 0
    except OSError:
        return False


@dataclass(frozen=True)
class Container:
    """A folder with a program, a Python for it, and a home that is read-only but for the cache.

    `/tmp` of the container is `temporary`.
    """

    program: Path
    python: Path
    home: Path
    temporary: Path

    @classmethod
    def around(cls, program: Path, python: Path, root: Path) -> "Container":
        container = cls(program, python, root / "home", root / "tmp")
        writable = (container.cache, container.temporary)
        for folder in writable:
            folder.mkdir(parents=True)
        for read_only in (*program.rglob("*"), program, container.home, container.home / ".cache"):
            read_only.chmod(0o555 if read_only.is_dir() else 0o444)
        if os.getuid() == 0:
            for folder in writable:
                os.chown(folder, NOBODY, NOBODY)
        return container

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "huggingface"

    @contextlib.contextmanager
    def running(self, command: list[str], environment: dict[str, str], log: Path) -> Iterator[str]:
        """Run a program that serves, as nobody where this machine allows; gives its address."""
        port = free_port()
        settings = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "GRADIO_SERVER_NAME": "0.0.0.0",
            "GRADIO_SERVER_PORT": str(port),
        }
        with log.open("w") as file:
            process = subprocess.Popen(
                [self.python, *command],
                cwd=self.program,
                env=settings | environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                **(AS_NOBODY if runs_as_nobody(self.python) else {}),
            )
        url = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + STARTS_WITHIN
            while not answers(url):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
            yield url
        finally:
            process.terminate()
            process.wait(30)
