"""Data sets on Kaggle and the Hub, downloaded once."""

from __future__ import annotations

import glob
import hashlib
import logging
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import HfApi, get_cached_repo_tree, metadata_load, snapshot_download
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    HfHubHTTPError,
    HTTPError,
    OfflineModeIsEnabled,
    RevisionNotFoundError,
)

from emotion.data.parquet import choose_files, copy_tables
from emotion.errors import DataError, EmotionError
from emotion.program import INSTALL_TRAINING
from emotion.vision.images import EXTENSIONS

logger = logging.getLogger(__name__)

CARD = "README.md"
# How long the Hub may take to say what it has.
ANSWER_SECONDS = 10
# The branch on which the Hub keeps data sets of any form as Parquet.
CONVERTED = "refs/convert/parquet"
PICTURE_FILES = [
    f"*{ending}" for extension in sorted(EXTENSIONS) for ending in (extension, extension.upper())
] + ["*.zip", "*.csv"]


def download_from_kaggle(handle: str) -> Path:
    """Return the folder of a Kaggle data set `owner/name`, downloaded once into kagglehub's cache."""
    page = f"https://www.kaggle.com/datasets/{handle}"
    by_hand = f"download it at {page}, unpack it and pass the folder with --data"
    try:
        import kagglehub
    except ImportError:
        raise DataError(
            f"Data sets on Kaggle need one more package: {INSTALL_TRAINING}. Or {by_hand}."
        ) from None
    try:
        return Path(kagglehub.dataset_download(handle))
    except Exception as error:  # the client raises a dozen unrelated types
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status == 404:
            raise DataError(
                f"Kaggle has no data set {handle}. Check the name: there is no {page}."
            ) from error
        if status in (401, 403):
            raise DataError(
                f"Kaggle gives {handle} to people with an account only. Agree to its terms at {page}, create "
                f"a token at https://www.kaggle.com/settings and set KAGGLE_API_TOKEN to it. Or {by_hand}."
            ) from error
        raise DataError(
            f"Kaggle did not give the data set {handle}: {_reason(error)} Check the network. Or {by_hand}; "
            "your own pictures will do as well."
        ) from error


def download_from_hub(reference: str) -> Path:
    """Return the folder of a Hub data set: pictures in folders or zip files, a CSV, or rows out of Parquet.

    Parameters
    ----------
    reference : str
        owner/name[/configuration][@revision]. Without a revision, a data set in yet another form is taken
        from the branch on which the Hub keeps it as Parquet.
    """
    path, _, revision = reference.partition("@")
    repo_id, configuration = "/".join(path.split("/")[:2]), "/".join(path.split("/")[2:]) or None
    try:
        for candidate in (revision,) if revision else (None, CONVERTED):
            names = _file_names(repo_id, candidate, is_last=candidate in (revision, CONVERTED))
            if any(name.endswith(".parquet") for name in names):
                return _copy_of_tables(repo_id, candidate, names, configuration)
            if _holds_pictures(names):
                folder = _download(repo_id, candidate, PICTURE_FILES)
                archives = sorted(folder.rglob("*.zip"))
                return unpack(archives, folder) if archives else folder
    except (EmotionError, ImportError):
        raise
    except Exception as error:  # the client and the network below it raise a dozen unrelated types
        raise DataError(
            f"The Hub did not give the data set {reference}: {_reason(error)} Check the name and the "
            "network; a private or gated data set also needs `hf auth login`."
        ) from error
    raise DataError(
        f"The data set {reference} holds no pictures in folders, zip files, CSV or Parquet. Download it, "
        "write its pictures to a folder per label, and pass that with --data."
    )


def _file_names(repo_id: str, revision: str | None, *, is_last: bool) -> list[str]:
    """List the files of a data set; without a network, those in the cache."""
    try:
        information = HfApi().dataset_info(repo_id, revision=revision, timeout=ANSWER_SECONDS)
        return [file.rfilename for file in information.siblings or ()]
    except RevisionNotFoundError:
        if revision != CONVERTED:
            raise
        return []
    except (HTTPError, OfflineModeIsEnabled) as error:
        if isinstance(error, HfHubHTTPError):
            raise
        try:
            cached = get_cached_repo_tree(repo_id, repo_type="dataset", revision=revision)
        except CachedRepoTreeNotFoundError:
            if is_last:
                raise error from None
            return []
        return [file.path for file in cached]


def _holds_pictures(names: list[str]) -> bool:
    """Whether there are files that may hold labelled pictures; a picture beside the card is none."""
    files = [PurePosixPath(name.lower()) for name in names]
    folders = {file.parent for file in files if file.suffix in EXTENSIONS}
    return len(folders) > 1 or any(
        file.suffix in (".zip", ".csv") and file.stem != "metadata" for file in files
    )


def _copy_of_tables(repo_id: str, revision: str | None, names: list[str], configuration: str | None) -> Path:
    """Download the Parquet files of one configuration, and copy their rows beside them in the Hub's cache."""
    card: dict[str, Any] = {}
    if CARD in names:
        try:
            card = metadata_load(_download(repo_id, revision, CARD) / CARD) or {}
        except Exception:  # a stranger's card: no YAML, no text
            logger.warning("The card of %s cannot be read; its files are taken by their names.", repo_id)
    chosen = choose_files(names, card, configuration)
    every = [name for files in chosen.values() for name in files]
    snapshot = _download(repo_id, revision, list(map(glob.escape, every)))
    digest = hashlib.sha256("\n".join(every).encode()).hexdigest()[:16]
    target = snapshot.parent.parent / "unpacked" / snapshot.name / digest
    copy_tables({split: [snapshot / name for name in files] for split, files in chosen.items()}, target)
    return target


def _download(repo_id: str, revision: str | None, patterns: list[str] | str) -> Path:
    return Path(snapshot_download(repo_id, repo_type="dataset", revision=revision, allow_patterns=patterns))


def unpack(archives: list[Path], snapshot: Path) -> Path:
    """Unpack zip files once, beside the snapshot in the Hub's cache, so that they are deleted with it."""
    target = snapshot.parent.parent / "unpacked" / snapshot.name
    for archive in archives:
        done = target / f".{archive.relative_to(snapshot).as_posix().replace('/', '--')}.done"
        if not done.exists():
            logger.info("Unpacking %s.", archive)
            try:
                with zipfile.ZipFile(archive) as content:
                    content.extractall(target / archive.relative_to(snapshot).parent)
            except (zipfile.BadZipFile, OSError) as error:
                raise DataError(
                    f"{archive} cannot be unpacked: {error}. Delete it, so that it is downloaded again."
                ) from error
            done.touch()
    return target


def _reason(error: Exception) -> str:
    """Return what went wrong, without the layers that network libraries wrap a lost connection in."""
    lost = ("Connect", "Proxy", "Timeout")
    return (
        "no connection."
        if any(word in type(error).__name__ for word in lost)
        else " ".join(str(error).split())
    )
