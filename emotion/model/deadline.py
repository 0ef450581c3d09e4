"""A pull that ends in time: in a process of its own, because a Hub can stall, drip or talk without end.

No limit inside a program holds for all of that: the Hub's client waits for bytes, not for the last of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from emotion.errors import ModelLoadError
from emotion.model.pull import LARGEST_MODEL, Snapshot, pull, pull_from_cache

try:
    import resource
except ImportError:
    resource = None

# Bytes that a pull may take in memory; the Hub's client maps far more than it uses.
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
    """Pull a model within so many seconds; after them, a whole copy on this computer is good enough.

    The other parameters and the errors are those of `emotion.model.pull.pull`.
    """
    asked = {
        "repo_id": repo_id,
        "revision": revision,
        "token": token,
        "cache_dir": None if cache_dir is None else os.fspath(cache_dir),
        "serving_only": serving_only,
    }
    root = Path(__file__).parents[2]
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            # Through a pipe: everybody can read the arguments of a process.
            input=json.dumps(asked).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            env={**os.environ, "PYTHONPATH": os.fspath(root), "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"it did not hand over the model within {seconds:g} seconds"
        return pull_from_cache(
            repo_id, revision, cache_dir, token=token, serving_only=serving_only, reason=reason
        )
    try:
        told = json.loads(done.stdout)
    except ValueError as error:
        raise ModelLoadError(
            f"The download of {repo_id} broke off. Check the free memory and disk space, then try again."
        ) from error
    if "error" in told:
        raise ModelLoadError(told["error"])
    return Snapshot(Path(told["folder"]), told["revision"], offline=told["offline"])


def main() -> None:
    """Be the process: read what is asked from standard input, write what came of it to standard output."""
    asked = json.load(sys.stdin)
    if resource is not None:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_MODEL, LARGEST_MODEL))
            resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    try:
        snapshot = pull(**asked)
    except ModelLoadError as error:
        told: dict[str, object] = {"error": str(error)}
    else:
        told = {
            "folder": os.fspath(snapshot.folder),
            "revision": snapshot.revision,
            "offline": snapshot.offline,
        }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
