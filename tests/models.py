"""Saved models whose quality is known: the embedded one is good at drawn faces, a copy mixes labels up."""

import json
import shutil
from pathlib import Path

from emotion.model.loading import EMBEDDED


def write_swapped(folder: Path) -> Path:
    """Write the embedded model with the names of happy and sad swapped."""
    shutil.copytree(EMBEDDED, folder)
    path = folder / "emotion.json"
    description = json.loads(path.read_text())
    description["labels"] = ["angry", "sad", "happy"]
    for output, name in zip(description["outputs"], description["labels"], strict=False):
        output.update(name=name, label=name)
    path.write_text(json.dumps(description))
    return folder
