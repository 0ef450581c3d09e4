"""Tells the package builder what the package needs, and where it comes from.

The requirements files say each range, once; the repository's address is that of the clone.
"""

import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hatchling.metadata.plugin.interface import MetadataHookInterface

PAGE_ONLY = "gradio"  # predicting works without it


class RequirementsHook(MetadataHookInterface):
    """Dependencies are what predicting needs; the extras add the rest; `gpu` is `train` on an NVIDIA GPU."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in the dependencies."""
        serving, training, tracking, development = (
            _lines(Path(self.root) / f"requirements{name}.txt") for name in ("-app", "", "-track", "-dev")
        )
        metadata["dependencies"] = [line for line in serving if not line.startswith(PAGE_ONLY)]
        metadata["urls"] = project_urls(_remote(Path(self.root)))
        metadata["optional-dependencies"] = {
            "app": [line for line in serving if line.startswith(PAGE_ONLY)],
            "train": training,
            "gpu": [line.replace("tensorflow-cpu", "tensorflow[and-cuda]") for line in training],
            "track": tracking,
            "dev": development,
        }


def project_urls(remote: str) -> dict[str, str]:
    """Return the pages of a repository, given what it was cloned from; none of a folder.

    A name or token in the address stays out: packages are public.
    """
    if over_ssh := re.fullmatch(r"[\w.-]+@([\w.-]+):(?!/)(.+)", remote):
        remote = f"ssh://{over_ssh[1]}/{over_ssh[2]}"
    parts = urlsplit(remote)
    if parts.scheme not in ("https", "http", "ssh", "git") or "." not in (parts.hostname or ""):
        return {}
    address = f"https://{parts.hostname}{parts.path.rstrip('/').removesuffix('.git')}"
    urls = {"Source": address}
    if parts.hostname in ("github.com", "gitlab.com", "codeberg.org"):
        urls |= {
            "Documentation": f"{address}#readme",
            "Issues": f"{address}/-/issues" if parts.hostname == "gitlab.com" else f"{address}/issues",
        }
    return urls


def _remote(root: Path) -> str:
    """Return what a clone was cloned from; "" where that is not known, as in a source archive."""
    if not (root / ".git").exists():  # a folder inside some other repository
        return ""
    if not (root / ".git").exists():  # a folder inside some other repository
        return ""
    asked = ["git", "-C", str(root), "config", "--get", "remote.origin.url"]
    try:
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    except OSError:  # no git
        return ""


def _lines(file: Path) -> list[str]:
    """Return the requirements that a file itself names, without remarks and without the files it includes."""
    stripped = (line.split("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in stripped if line and not line.startswith("-")]
