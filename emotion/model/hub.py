"""What pulling from and publishing to the Hugging Face Hub share. No code of a repository is run."""

from __future__ import annotations

import re

from huggingface_hub import get_token
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from emotion.errors import EmotionError
from emotion.model.description import CARD_FILE, DESCRIPTION_FILE, NETWORK_FILES
from emotion.report.report import PLOTS_FOLDER, REPORT_FILE

# What leaves this computer and what is fetched, as patterns of the Hub's client.
PUBLISHED_FILES = (*NETWORK_FILES, DESCRIPTION_FILE, REPORT_FILE, f"{PLOTS_FOLDER}/*.png", CARD_FILE)
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
