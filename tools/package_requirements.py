"""Tells the package builder what the package needs: the requirements files say each range, once."""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PAGE_ONLY = "gradio"  # predicting works without it


class RequirementsHook(MetadataHookInterface):
    """Dependencies are what predicting needs; the extras add the rest; `gpu` is `train` on an NVIDIA GPU."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in the dependencies."""
        serving, training, development = (
            _lines(Path(self.root) / name)
            for name in ("requirements-app.txt", "requirements.txt", "requirements-dev.txt")
        )
        metadata["dependencies"] = [line for line in serving if not line.startswith(PAGE_ONLY)]
        metadata["optional-dependencies"] = {
            "app": [line for line in serving if line.startswith(PAGE_ONLY)],
            "train": training,
            "gpu": [line.replace("tensorflow-cpu", "tensorflow[and-cuda]") for line in training],
            "dev": development,
        }


def _lines(file: Path) -> list[str]:
    """Return the requirements that a file itself names, without remarks and without the files it includes."""
    stripped = (line.split("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in stripped if line and not line.startswith("-")]
