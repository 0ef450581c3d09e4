"""The engine in Node: pictures go in, answers come out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emotion import EmotionClassifier
from emotion.web.browser.files import ENGINE, model_files

NODE = shutil.which("node")
SCRIPT = Path(__file__).with_name("run.mjs")
# Seconds, for a busy machine.
PATIENCE = 300


@dataclass
class Node:
    """Collects tasks, then does them all in one process."""

    folder: Path
    tasks: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, kind: str, picture: np.ndarray | None = None, **options: Any) -> int:
        """Add a task; `answers` will hold what came of it at this index."""
        task: dict[str, Any] = {"kind": kind, "options": options}
        if picture is not None:
            pixels = picture if picture.ndim == 3 else picture[:, :, None]
            task |= {"file": f"{len(self.tasks)}.raw", "size": pixels.shape}
            (self.folder / task["file"]).write_bytes(np.ascontiguousarray(pixels).tobytes())
        self.tasks.append(task)
        return len(self.tasks) - 1

    def answers(self, classifier: EmotionClassifier | None = None) -> list[Any]:
        """Run the engine with a model; the embedded one by default."""
        for name, content in model_files(classifier or EmotionClassifier.from_pretrained()).items():
            (self.folder / name).write_bytes(content)
        (self.folder / "tasks.json").write_text(json.dumps(self.tasks))
        assert NODE is not None
        process = subprocess.run(
            [NODE, str(SCRIPT), str(ENGINE), str(self.folder)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            # Node does not know from the ending that these are modules, and says so.
            env={**os.environ, "NODE_NO_WARNINGS": "1"},
        )
        assert process.returncode == 0, process.stderr[-2000:]
        return json.loads((self.folder / "answers.json").read_text())


def picture_of(answer: dict[str, Any]) -> np.ndarray:
    """Return a picture that the engine answered with as an array (H, W, channels)."""
    return np.array(answer["data"], np.uint8).reshape(answer["height"], answer["width"], answer["channels"])
