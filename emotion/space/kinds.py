"""The kinds of Space that can serve a model, and which of them an account may have.

The Hub hosts Gradio apps on its free processors for paid plans alone. Free accounts may have two Gradio
Spaces on ZeroGPU, and as many static ones as they like.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Set
from enum import StrEnum

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from emotion.errors import PublishError

# What ZeroGPU is called as hardware.
ZEROGPU_HARDWARE = "zero-a10g"
# Files that only one kind has.
ZEROGPU_FILE, STATIC_FILE = "zerogpu.py", "index.html"

logger = logging.getLogger(__name__)


class Kind(StrEnum):
    """What runs a Space."""

    GRADIO = "gradio"
    ZEROGPU = "zerogpu"
    STATIC = "static"


# What a kind lacks compared with a Gradio Space, or what to know about it.
ABOUT = {
    Kind.ZEROGPU: "It is a Gradio Space on ZeroGPU, whose GPU it never uses.",
    Kind.STATIC: (
        "It is a static Space, which runs in its visitors' browsers: it has Photo, Live and the model's page,"
        " but no API, clips, batches of pictures, “Why?” or “Teach it”. It carries a copy of the model: after"
        " a new commit of the model, deploy again."
    ),
}
# The next kind to try when the Hub refuses one, and the message about it.
NEXT = {
    Kind.GRADIO: (
        Kind.ZEROGPU,
        "The Hub does not run a Gradio Space for free on this account; trying ZeroGPU.",
    ),
    Kind.ZEROGPU: (Kind.STATIC, "ZeroGPU is not available to this account either; creating a static Space."),
}


def kind_of(deployed: Set[str]) -> Kind:
    """Return the kind of a Space by the files that were deployed to it."""
    if STATIC_FILE in deployed:
        return Kind.STATIC
    return Kind.ZEROGPU if ZEROGPU_FILE in deployed else Kind.GRADIO


def create(
    api: HfApi,
    space: str,
    variables: Mapping[str, str],
    *,
    kind: Kind | None,
    private: bool,
    hardware: str | None,
) -> Kind:
    """Create a Space of a kind, or of the first that the account may have; return which.

    PublishError if the account may not have the kind, or the hardware, that was asked for; an HfHubHTTPError
    for other refusals.
    """
    tried = kind or Kind.GRADIO
    while True:
        try:
            _create(api, space, variables, kind=tried, private=private, hardware=hardware)
        except HfHubHTTPError as error:
            status = error.response.status_code
            # ZeroGPU is refused as a payment or as a right; that to the name was asked for before.
            refused = status == 402 or (status == 403 and tried is Kind.ZEROGPU)
            if not refused:
                raise
            if kind or hardware or tried not in NEXT:
                raise PublishError(_why_not(space, error, tried)) from error
            tried, said = NEXT[tried]
            logger.warning("%s", said)
        else:
            return tried


def _create(
    api: HfApi, space: str, variables: Mapping[str, str], *, kind: Kind, private: bool, hardware: str | None
) -> None:
    is_static = kind is Kind.STATIC
    api.create_repo(
        space,
        repo_type="space",
        space_sdk="static" if is_static else "gradio",
        private=private or None,
        # The Hub knows newer names than its client.
        # pyrefly: ignore [bad-argument-type]
        space_hardware=ZEROGPU_HARDWARE if kind is Kind.ZEROGPU else hardware,
        space_variables=None if is_static else [{"key": key, "value": variables[key]} for key in variables],
    )


def _why_not(space: str, error: HfHubHTTPError, kind: Kind) -> str:
    others = [f"--space-kind {other}" for other in (Kind.ZEROGPU, Kind.STATIC) if other is not kind]
    return (
        f"The Hub does not run {space} for free (it says: {error.server_message}). Choose another kind"
        f" ({' or '.join(others)}), subscribe there, choose hardware that is paid by the hour"
        " (--hardware cpu-upgrade), name an organisation with a plan (--space ORGANISATION/NAME), or run the"
        " app elsewhere with the Dockerfile."
    )
