"""The host's model: which one it is, and taking over its new commits while the app runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from emotion.errors import EmotionError, ModelLoadError
from emotion.model.classifier import EmotionClassifier
from emotion.model.loading import EMBEDDED, EMBEDDED_NAME
from emotion.model.pull import DEFAULT_NAME, newest_commit
from emotion.program import LIVE_VARIABLE, MODEL_VARIABLE, REFRESH_VARIABLE
from emotion.untrusted.networks import load_hosts_model

# The model may be large, but a start must come to an end.
PULL_SECONDS = 600
# Minutes: the Hub limits how often it is asked.
LEAST_MINUTES = 1.0
NOT_TAKEN_OVER = (
    "The newest version of this model could not be loaded, so this one still answers. The app’s log says why."
)

logger = logging.getLogger(__name__)


def find_model(environment: Mapping[str, str]) -> tuple[str | None, EmotionClassifier]:
    """Load the model that EMOTION_MODEL names; without it, in a Space, its owner's; else the embedded one.

    Returns its folder or name on the Hub, None for the embedded model, and the classifier, which has a notice
    if the named model could not be loaded. ModelLoadError if no model at all can be loaded. Inside a Space,
    the Hub sets SPACE_ID and SPACE_AUTHOR_NAME.
    """
    if reference := environment.get(MODEL_VARIABLE):
        return reference, load_or_default(reference)
    if space := environment.get("SPACE_ID"):
        owner = environment.get("SPACE_AUTHOR_NAME") or space.split("/")[0]
        reference = f"{owner}/{DEFAULT_NAME}"
        try:
            return reference, load_hosts_model(reference, seconds=PULL_SECONDS)
        except ModelLoadError as error:
            # The host did not ask for it, so the page need not mention it.
            logger.info("%s is not set, and %s could not be loaded: %s", MODEL_VARIABLE, reference, error)
    return None, EmotionClassifier.from_pretrained()


def load_or_default(reference: str) -> EmotionClassifier:
    """Load the model that the host named, or else the embedded one with a notice that says why."""
    try:
        return load_hosts_model(reference, seconds=PULL_SECONDS)
    except ModelLoadError as error:
        if not EMBEDDED.is_dir():
            raise
        classifier = EmotionClassifier.from_pretrained()
        classifier.notice = f"{error} Until then the {EMBEDDED_NAME} model answers."
        logger.warning("%s", classifier.notice)
        return classifier


def refresh_minutes(environment: Mapping[str, str]) -> float | None:
    """Return how often to look for a new commit, None for never; EmotionError if it is not a number."""
    text = environment.get(REFRESH_VARIABLE, "").strip()
    if not text:
        return None
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not LEAST_MINUTES <= minutes <= threading.TIMEOUT_MAX / 60:
        raise EmotionError(
            f"{REFRESH_VARIABLE} must be a number of minutes from {LEAST_MINUTES:g}, not {text!r}. Without"
            " it, the app keeps the model that it started with."
        )
    return minutes


def live_on_device(environment: Mapping[str, str]) -> bool:
    """Return whether visitors' browsers may run the model, as the Live tab does unless EMOTION_LIVE=server.

    Raises
    ------
    EmotionError
        If EMOTION_LIVE is neither "device" nor "server".
    """
    text = environment.get(LIVE_VARIABLE, "").strip() or "device"
    if text not in ("device", "server"):
        raise EmotionError(f'{LIVE_VARIABLE} must be "server" or "device", the default, not {text!r}.')
    return text == "device"


class Serving(Protocol):
    """What answers with the host's model."""

    classifier: EmotionClassifier


class Refresh:
    """Switches to new commits of the host's model, "owner/name[@revision]", between two requests."""

    def __init__(self, service: Serving, reference: str) -> None:
        self._session = service
        self._reference = reference
        self._stopped = threading.Event()
        # For the page; None while all is well.
        self.problem: str | None = None
        self._cause = ""

    def start(self, seconds: float) -> None:
        """Look for a new commit every `seconds`, until the program ends or `stop` is called."""
        threading.Thread(target=self._run, args=[seconds], name="model refresh", daemon=True).start()

    def stop(self) -> None:
        """Stop looking for new commits."""
        self._stopped.set()

    def look(self) -> None:
        """Switch to the newest commit if it is a different one and works; otherwise keep the old one."""
        try:
            repo_id, _, revision = self._reference.partition("@")
            newest = newest_commit(repo_id, revision=revision or None)
            if newest != self._session.classifier.revision:
                # Rehearsed in another process, because a crash in this one would end the app.
                found = load_hosts_model(repo_id, revision=newest, seconds=PULL_SECONDS)
                self._session.classifier = found
                logger.info("%s: the commit %s answers from now on", self._reference, newest[:12])
            self.problem, self._cause = None, ""
        except EmotionError as error:
            self.problem = NOT_TAKEN_OVER
            # Logged once, as it may last for days; not shown, because it names folders of this server.
            if str(error) != self._cause:
                logger.warning("%s: no newer commit is taken over: %s", self._reference, error)
            self._cause = str(error)

    def _run(self, seconds: float) -> None:
        while not self._stopped.wait(seconds):
            try:
                self.look()
            except Exception:
                # The next look may succeed; until then the old model answers.
                logger.exception("Looking for a newer model failed")


def refreshing(service: Serving, reference: str | None, minutes: float | None) -> Refresh | None:
    """Start to look for new commits if the host asked for it and the model comes from the Hub."""
    if minutes is None:
        return None
    if reference is None or Path(reference).is_dir():
        logger.warning("%s does nothing: the model does not come from the Hub.", REFRESH_VARIABLE)
        return None
    refresh = Refresh(service, reference)
    refresh.start(60 * minutes)
    return refresh
