"""What pulling from and publishing to the Hugging Face Hub share. No code of a repository is run."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
)

from emotion.errors import EmotionError, PublishError
from emotion.model.description import CARD_FILE, DESCRIPTION_FILE, KERAS_FILES, NETWORK_FILES
from emotion.report.report import PLOTS_FOLDER, REPORT_FILE

# What leaves this computer and what is fetched, as patterns of the Hub's client.
PUBLISHED_FILES = (*NETWORK_FILES, DESCRIPTION_FILE, REPORT_FILE, f"{PLOTS_FOLDER}/*.png", CARD_FILE)
DEFAULT_NAME = "facial-emotion"
# What LiteRT needs, and what tells about the model: all that is fetched for a visitor.
SERVED_FILES = tuple(name for name in PUBLISHED_FILES if name not in KERAS_FILES)
TOKEN_PAGE = "https://huggingface.co/settings/tokens"
SIGN_IN = f"create a token with write access at {TOKEN_PAGE} and type `hf auth login`"


def checked_token(token: str | bool | None, problem: type[EmotionError]) -> str | bool | None:
    """Return the token to send, and refuse what could not be sent before an error message repeats it."""
    if token is False:
        return False
    # True stands for the one that `hf auth login` left, as for every library of the Hub.
    given = token if isinstance(token, str) else None
    token = (given or get_token() or "").strip()
    if not re.fullmatch(r"[!-~]*", token):
        raise problem(f"The Hub token holds characters that no token has. Copy it again from {TOKEN_PAGE}.")
    return token or None


def signed_in(token: str | None = None) -> HfApi:
    """Return the Hub's client for whoever is signed in, and refuse without anybody."""
    checked = checked_token(token, PublishError)
    if not checked:
        raise PublishError(f"You are not signed in to the Hub. Please {SIGN_IN} (or set HF_TOKEN).")
    return HfApi(token=checked)


def full_name(api: HfApi, name: str | None) -> str:
    """Return "owner/name": the owner is by default the signed-in user, the name `DEFAULT_NAME`."""
    return name if name and "/" in name else f"{api.whoami()['name']}/{name or DEFAULT_NAME}"


def published_card(api: HfApi, repo_id: str, *, revision: str | None = None) -> str:
    """Return the card of a model on the Hub; an empty text where it has none."""
    try:
        path = api.hf_hub_download(repo_id, CARD_FILE, revision=revision)
    except RemoteEntryNotFoundError:
        return ""
    return Path(path).read_text(encoding="utf-8", errors="replace")


def is_unreachable(error: Exception) -> bool:
    """Tell whether the Hub said nothing about the model: no connection, too many requests, its own error."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return True


def reason_of(error: BaseException) -> str:
    """Return a few words about a failed request."""
    if isinstance(error, HfHubHTTPError):
        return f"HTTP {error.response.status_code}"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__:
        return reason_of(error.__cause__)
    if isinstance(error, ValueError):
        return "the answer does not come from a Hub; a login page or a proxy may stand in between"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


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
