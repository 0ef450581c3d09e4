"""Waiting until a Space runs what was committed, or telling why it does not."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from huggingface_hub import HfApi, SpaceRuntime, constants
from huggingface_hub.errors import HTTPError

from emotion.errors import PublishError
from emotion.model.hub import is_unreachable, signed_in, why_not_published

# A sleeping Space wakes when somebody visits it.
READY = ("RUNNING", "SLEEPING")
UNDER_WAY = ("BUILDING", "RUNNING_BUILDING", "APP_STARTING", "RUNNING_APP_STARTING")
# Stages that the log of the build tells about, not that of the app.
BUILD_FAILED = ("BUILD_ERROR", "CONFIG_ERROR", "NO_APP_FILE")
LOG_LINES = 30

logger = logging.getLogger(__name__)


def wait_until_running(
    space: str,
    commit: str,
    *,
    token: str | None = None,
    poll_seconds: float = 5,
    begins_within: float = 60,
    ends_within: float = 1800,
) -> None:
    """Follow the stages of a Space, in the log, until it runs a commit.

    Parameters
    ----------
    space : str
        "owner/name".
    commit : str
        What it has to run: the Hub goes on saying RUNNING of the old one for a moment.
    token : str, optional
        By default the one that `hf auth login` or HF_TOKEN left.
    poll_seconds : float
        Time between two looks.
    begins_within, ends_within : float
        Seconds: how long the Hub may take to begin, while it may still tell of an earlier build, and to
        end.

    Raises
    ------
    PublishError
        With the end of the log if it fails, or if it takes too long.
    """
    api = signed_in(token)
    page = f"{constants.ENDPOINT}/spaces/{space}"
    began = False
    start = time.monotonic()
    for runtime in _runtimes(api, space, poll_seconds):
        passed = time.monotonic() - start
        began = began or passed > begins_within or bool(runtime and runtime.stage in UNDER_WAY)
        if runtime and runtime.stage in READY:
            # Where the Hub does not say which commit runs, it is the one whose build was seen.
            if (runtime.raw.get("sha") or (began and commit)) == commit:
                return
        elif runtime and began and runtime.stage not in UNDER_WAY:
            raise PublishError(_why_not_running(api, space, runtime))
        if passed > ends_within:
            raise PublishError(
                f"The Space does not run after {ends_within / 60:.0f} minutes. Look at {page}?logs=build."
            )


def _runtimes(api: HfApi, space: str, poll_seconds: float) -> Iterator[SpaceRuntime | None]:
    """Yield what the Hub says, and None where it cannot be reached; log every new stage."""
    logged = ""
    while True:
        runtime = None
        try:
            runtime = api.get_space_runtime(space)
        except HTTPError as error:
            if not is_unreachable(error):
                raise PublishError(why_not_published(error, space)) from error
        if runtime and runtime.stage != logged:
            logged = str(runtime.stage)
            logger.info("%s: %s", space, logged.lower().replace("_", " "))
        yield runtime
        time.sleep(poll_seconds)


def _why_not_running(api: HfApi, space: str, runtime: SpaceRuntime) -> str:
    """Return the stage, what the Hub says about it, and the end of the log."""
    built = runtime.stage not in BUILD_FAILED
    page = f"{constants.ENDPOINT}/spaces/{space}?logs={'container' if built else 'build'}"
    parts = [f"The Space does not run: {str(runtime.stage).lower().replace('_', ' ')}."]
    if message := runtime.raw.get("errorMessage"):
        parts.append(str(message))
    try:
        lines = "".join(api.fetch_space_logs(space, build=not built)).splitlines()[-LOG_LINES:]
    except HTTPError:
        lines: list[str] = []
    parts += ["The end of its log:", *(f"    {line}" for line in lines)] if lines else []
    return "\n".join([*parts, f"The whole log: {page}"])
