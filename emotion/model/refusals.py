"""Why the Hub did not take something, in plain words that end with what to do."""

from __future__ import annotations

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError, OfflineModeIsEnabled

from emotion.model.hub import SIGN_IN, reason_of


def why_not_published(error: Exception, repo_id: str) -> str:
    """Return the cause of a failed publication and what to do about it, never with the token in it."""
    if isinstance(error, HFValidationError):
        return (
            f"{repo_id!r} cannot be a name on the Hub. Use owner/name with letters, digits, '-', '_' and '.'."
        )
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so nothing can be published. Unset it and publish again."
    # The client wraps what goes wrong while a large file is sent.
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, HTTPError):
        error = error.__cause__
    # What Xet, the Hub's storage for large files, raises.
    if isinstance(error, ConnectionError):
        return (
            f"The upload broke off: {reason_of(error)}. Check the network and publish again; where only plain"
            " HTTPS gets through, set HF_HUB_DISABLE_XET=1 first."
        )
    if not isinstance(error, HTTPError):
        return f"Publishing failed ({type(error).__name__}: {error})."
    if not isinstance(error, HfHubHTTPError):
        return (
            f"The connection to the Hub ({constants.ENDPOINT}) failed or broke off: {reason_of(error)}."
            " Check the network and publish again; what was sent completely is not sent twice."
        )
    return _why_refused(error, repo_id)


def _why_refused(error: HfHubHTTPError, repo_id: str) -> str:
    """Return why the Hub itself refused, by its status, and what to do about it."""
    status = error.response.status_code
    said = error.server_message or "no reason given"
    if status == 401:
        return (
            f"The Hub does not accept the token (wrong, expired or revoked). Please {SIGN_IN}; HF_TOKEN, when"
            " set, comes first."
        )
    if status == 403:
        return (
            f"The token may not write to {repo_id} (the Hub says: {said}). Check the owner's name, or"
            f" {SIGN_IN}."
        )
    if status == 404:
        return f"{repo_id} is not on the Hub any more, or not for you (the Hub says: {said}). Check its name."
    if status in (409, 412):
        return f"Someone else is changing {repo_id} at the same time (the Hub says: {said}). Publish again."
    if status == 429:
        seconds = error.response.headers.get("Retry-After")
        wait = f"{seconds} seconds" if seconds else "a few minutes"
        return f"The Hub limits the number of requests for now. Wait {wait} and publish again."
    if status >= 500:
        return (
            f"The Hub has a problem of its own (HTTP {status}). See https://status.huggingface.co, wait and"
            " publish again."
        )
    return f"The Hub refuses the upload (HTTP {status}: {said})."
