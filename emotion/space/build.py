"""Wait until a Space runs what was committed, or tell why it does not."""

from __future__ import annotations

import logging
import time

from huggingface_hub import HfApi, SpaceRuntime, constants
from huggingface_hub.errors import HTTPError

from emotion.errors import PublishError
from emotion.model.hub import is_unreachable, signed_in, why_not_published

# A sleeping Space wakes when it is visited.
READY = ("RUNNING", "SLEEPING")
# Failures that the log of the build explains, not that of the app.
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
    """Wait until a Space runs a commit; raise PublishError with the end of its log if it fails.

    For `begins_within` seconds, what the Hub says about an earlier commit, or about none, does not count.
    """
    api = signed_in(token)
    start = time.monotonic()
    logger.info("%s: building", space)
    while (passed := time.monotonic() - start) <= ends_within:
        try:
            runtime = api.wait_for_space(space, timeout=ends_within - passed, poll_interval=poll_seconds)
        except TimeoutError:
            break
        except HTTPError as error:
            if not is_unreachable(error):
                raise PublishError(why_not_published(error, space, kind="spaces/")) from error
        else:
            named = runtime.raw.get("sha")
            is_late = time.monotonic() - start > begins_within
            if named == commit or (is_late and (named is None or runtime.stage not in READY)):
                logger.info("%s: %s", space, _in_words(runtime))
                if runtime.stage in READY:
                    return
                raise PublishError(_why_not_running(api, space, runtime))
        time.sleep(poll_seconds)
    raise PublishError(
        f"The Space does not run after {ends_within / 60:.0f} minutes. Look at"
        f" {constants.ENDPOINT}/spaces/{space}?logs=build."
    )


def _why_not_running(api: HfApi, space: str, runtime: SpaceRuntime) -> str:
    """Return the stage, what the Hub says about it, and the end of the log."""
    built = runtime.stage not in BUILD_FAILED
    page = f"{constants.ENDPOINT}/spaces/{space}?logs={'container' if built else 'build'}"
    parts = [f"The Space does not run: {_in_words(runtime)}."]
    if message := runtime.raw.get("errorMessage"):
        parts.append(str(message))
    try:
        lines = "".join(api.fetch_space_logs(space, build=not built)).splitlines()[-LOG_LINES:]
    except HTTPError:
        lines: list[str] = []
    parts += ["The end of its log:", *(f"    {line}" for line in lines)] if lines else []
    return "\n".join([*parts, f"The whole log: {page}"])


def _in_words(runtime: SpaceRuntime) -> str:
    return str(runtime.stage).lower().replace("_", " ")
