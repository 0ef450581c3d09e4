"""What is said about a model by somebody who wishes no good: `emotion.json`, `report.json`, the card."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np

from benchmarks.fuzz.changes import MOST_BYTES, changed, damaged
from benchmarks.fuzz.pictures import check_message
from emotion import EmotionClassifier
from emotion.errors import EmotionError
from emotion.model.loading import EMBEDDED
from emotion.web.html.messages import header
from emotion.web.html.report import model_card, model_summary

TEXTS = ("emotion.json", "emotion.json", "report.json", "README.md")


class Descriptions:
    """Loads folders whose texts were changed, and shows what they say as the Model tab does."""

    name = "descriptions"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "description"
        shutil.copytree(EMBEDDED, self._folder)
        self._intact = {name: (EMBEDDED / name).read_bytes() for name in TEXTS}

    def try_one(self, chance: random.Random) -> str:
        """Load and show one folder; return what became of it."""
        for name, content in self._intact.items():
            (self._folder / name).write_bytes(content)
        for _ in range(chance.choice((1, 1, 2))):
            name = chance.choice(TEXTS)
            (self._folder / name).write_bytes(self._changed(name, chance))
        try:
            classifier = EmotionClassifier.from_pretrained(self._folder)
            classifier.predict_faces([np.zeros((48, 48), np.uint8)])
        except EmotionError as error:
            check_message(str(error))
            return "refused"
        shown = header(classifier) + model_summary(classifier) + model_card(classifier.card)
        shown.encode()  # what the page could not send
        if "<script" in shown:
            raise ValueError("a stranger's script reached the page")
        return "shown"

    def close(self) -> None:
        """Nothing is left running."""

    def _changed(self, name: str, chance: random.Random) -> bytes:
        intact = self._intact[name]
        if name.endswith(".json") and chance.random() < 0.8:
            text = intact.decode()
            for _ in range(chance.choice((1, 1, 2, 5))):
                # Lists a hundred times as long, one in another, would take this program seconds to write.
                if len(text) < MOST_BYTES:
                    text = json.dumps(changed(json.loads(text), chance))
            return text.encode()
        return damaged(intact, intact, chance)
