"""Pulls that end in time: a Hub can stall or send data forever, and its client's timeout is per read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from emotion.errors import ModelLoadError
from emotion.model.pull import LARGEST_MODEL, Snapshot, cache_for, pull, pull_from_cache
from emotion.untrusted.process import Header, LimitedProcess, Limits, Message

# Bytes of memory; the Hub's client maps far more than it uses.
MOST_MEMORY = 2**32


def pull_within(
    seconds: float,
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    serving_only: bool = False,
) -> Snapshot:
    """Pull a model as `pull` does within `seconds`; after that, use a complete copy on this computer."""
    limits = Limits(MOST_MEMORY, seconds, online=True, largest_file=LARGEST_MODEL)
    broke_off = f"The download of {repo_id} broke off. Check the free memory and disk space, then try again."
    process = LimitedProcess(__name__, limits, error=ModelLoadError, stopped=broke_off)
    asked = {
        "repo_id": repo_id,
        "revision": revision,
        "token": token,
        "cache_dir": None if cache_dir is None else os.fspath(cache_dir),
        "serving_only": serving_only,
    }
    try:
        told, _ = process.ask(asked)
    except ModelLoadError as error:
        if not isinstance(error.__cause__, TimeoutError):
            raise
        problem = f"The Hub cannot be reached (it did not hand over the model within {seconds:g} seconds)"
        cache = cache_for(token, cache_dir)
        return pull_from_cache(cache, repo_id, revision, serving_only=serving_only, problem=problem)
    finally:
        process.close()
    return Snapshot(Path(told["folder"]), told["revision"], offline=told["offline"])


class Work:
    """Pulls a model in the process."""

    def answer(self, header: Header, arrays: list[np.ndarray]) -> Message:
        """Pull the model that the header names with the arguments of `pull`."""
        del arrays
        snapshot = pull(**header)
        folder = os.fspath(snapshot.folder)
        return {"folder": folder, "revision": snapshot.revision, "offline": snapshot.offline}, []
