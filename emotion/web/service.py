"""One running app, as every tab gets it: the model, the uploads, the examples, the limits."""

from __future__ import annotations

import math
import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emotion.errors import InvalidImageError, ModelLoadError
from emotion.model.classifier import EmotionClassifier
from emotion.teaching.teach import FineTuner
from emotion.untrusted.networks import VisitorsClassifier, load_visitors_model
from emotion.untrusted.pictures import PictureDecoder
from emotion.video.clip import MAX_SECONDS
from emotion.vision.detector import face_network
from emotion.vision.images import Picture
from emotion.web.browser.served import DeviceFiles
from emotion.web.host_model import Refresh, find_model, live_on_device, refresh_minutes, refreshing
from emotion.web.memory import Kept, Memory
from emotion.web.process import return_memory, share_memory, usable_memory, usable_processors

HUB_REFERENCE = re.compile(r"\w[\w.-]*/\w[\w.-]*(@\w[\w./-]*)?")
# Bytes set aside for the app itself, each process that opens a picture, and each that runs a visitor's model.
APP_MEMORY, PICTURE_MEMORY, NETWORK_MEMORY = 600_000_000, 1_300_000_000, 500_000_000
# A stranger's report and card at their largest, as Python holds them.
MODEL_BYTES = 10_000_000
PICTURE_ENDINGS = (".jpg", ".png", ".webp")


@dataclass(frozen=True)
class Limits:
    """How much one visitor, or all of them together, may ask for."""

    # On the tab for many, at a time.
    pictures: int = 50
    clip_seconds: float = MAX_SECONDS
    # Faces in front of one camera.
    live_faces: int = 5
    # Cameras at the same time; further ones wait for their turn.
    live_visitors: int = 16
    # A forgotten camera goes off after this time.
    live_minutes: float = 15
    # How long an idle visitor's last picture stays in memory.
    remembered_seconds: int = 3600
    # Pictures and models of all visitors; beyond, the one used longest ago is forgotten.
    remembered_bytes: int = 256_000_000
    # Visitors whose state Gradio keeps; beyond that, the one idle longest starts anew.
    sessions: int = 300
    # One uploaded file, all files of one upload, and any other request.
    file_bytes: int = 100_000_000
    upload_bytes: int = 1_000_000_000
    # All files of all visitors; beyond, the oldest goes.
    disk_bytes: int = 4_000_000_000
    body_bytes: int = 16_000_000
    # Of one expression, in "Teach it".
    snapshots: int = 40
    # Models named by visitors that are ready, each in its own process; beyond, the one used longest ago ends.
    visitor_models: int = 4
    # Processes that open pictures.
    decoders: int = 2
    # How long the Hub may take to deliver a model that a visitor named.
    pull_seconds: float = 25
    # Clips at the same time, and lessons: one processor stays free for pictures and cameras.
    long_work: int = 1
    # Requests of one kind that wait for each processor, a few seconds of work; beyond, the app says "busy".
    waiting_per_processor: int = 32

    @classmethod
    def within(cls, memory: float, processors: int) -> Limits:
        """Return the limits for a machine or container with this memory (bytes) and these processors."""
        pair = PICTURE_MEMORY + NETWORK_MEMORY
        pairs = int((memory - APP_MEMORY) // pair) if memory < math.inf else sys.maxsize
        return cls(
            visitor_models=max(1, min(cls.visitor_models, pairs)),
            decoders=max(1, min(max(2, processors), pairs)),
            long_work=max(1, processors - 1),
        )


class Service:
    """One running app: the host's model, the example pictures ("1-happy.jpg" and so on) and the limits.

    With `live_on_device`, the Live tab runs in the visitor's browser where it can.
    """

    def __init__(
        self,
        classifier: EmotionClassifier,
        *,
        examples: Path,
        limits: Limits | None = None,
        live_on_device: bool = True,
    ) -> None:
        self.classifier = classifier
        self.refresh: Refresh | None = None
        self.device = DeviceFiles(self, with_model=live_on_device)
        self.limits = limits or Limits()
        self.memory = Memory(self.limits.remembered_bytes)
        self.decoder = PictureDecoder(workers=self.limits.decoders)
        self._visitor_models: OrderedDict[int, VisitorsClassifier] = OrderedDict()
        self._fine_tuner: FineTuner | None = None
        self._lock = threading.Lock()
        self.examples = sorted(path for path in examples.iterdir() if path.suffix in PICTURE_ENDINGS)

    @classmethod
    def start(cls, environment: Mapping[str, str], *, examples: Path) -> Service:
        """Load the model that the environment variables name, and refresh it if asked to; or EmotionError."""
        share_memory()
        return_memory()
        # Visitors keep the processors busy.
        face_network().threads = 1
        minutes = refresh_minutes(environment)
        on_device = live_on_device(environment)
        reference, classifier = find_model(environment)
        limits = Limits.within(usable_memory(), usable_processors())
        service = cls(classifier, examples=examples, limits=limits, live_on_device=on_device)
        service.refresh = refreshing(service, reference, minutes)
        return service

    def open_picture(self, source: bytes | Path | None) -> Picture:
        """Open a picture that a visitor sent, in a separate process.

        The message of an InvalidImageError names no file of the server.
        """
        if source is None:
            raise InvalidImageError("There is no picture. Send one first.")
        return self.decoder.open(source)

    def keep_model(self, classifier: EmotionClassifier) -> Kept[EmotionClassifier]:
        """Remember the model of one visitor."""
        return self.memory.keep(classifier, MODEL_BYTES)

    def classifier_for(self, own: Kept[EmotionClassifier] | None) -> EmotionClassifier:
        """Return the model that answers a visitor: their own, or the host's.

        ModelLoadError if their own was forgotten: no other model answers in its place.
        """
        if own is None:
            return self.classifier
        classifier = self.memory.recall(own)
        if classifier is None:
            raise ModelLoadError(
                "The model that you loaded was forgotten, because there are many visitors. Load it again on "
                "the Model tab, or go back to the default there."
            )
        return self.ready(classifier)

    def ready(self, classifier: EmotionClassifier) -> EmotionClassifier:
        """Make a model ready to answer; of too many visitors' models, the process used longest ago ends."""
        if not isinstance(classifier, VisitorsClassifier):
            return classifier
        with self._lock:
            # Holding the classifier keeps its id from being used again.
            self._visitor_models[id(classifier)] = classifier
            self._visitor_models.move_to_end(id(classifier))
            while len(self._visitor_models) > self.limits.visitor_models:
                self._visitor_models.popitem(last=False)[1].close()
        return classifier

    @property
    def fine_tuner(self) -> FineTuner:
        """Teaches the host's model a visitor's face; built at its first use, or a ModelLoadError."""
        with self._lock:
            if self._fine_tuner is None or self._fine_tuner.classifier is not self.classifier:
                self._fine_tuner = FineTuner(self.classifier)
            return self._fine_tuner

    def load_for_visitor(self, reference: str) -> EmotionClassifier:
        """Load a model from the Hub for one visitor, to run in a separate process; raises ModelLoadError."""
        reference = reference.strip()
        if not HUB_REFERENCE.fullmatch(reference) or Path(reference.partition("@")[0]).exists():
            raise ModelLoadError("Write the model as owner/name or owner/name@revision, as on the Hub.")
        return load_visitors_model(reference, seconds=self.limits.pull_seconds)
