"""Data sets on Kaggle and the Hub, downloaded once."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path

from emotion.errors import DataError
from emotion.vision.images import EXTENSIONS

logger = logging.getLogger(__name__)


def download_from_kaggle(handle: str) -> Path:
    """Return the folder of a Kaggle data set `owner/name`, downloaded once into kagglehub's cache."""
    try:
        import kagglehub
    except ImportError:
        raise DataError(
            "Data sets on Kaggle need one more package: pip install kagglehub. Or download the data set in a "
            "browser, unpack it and pass the folder with --data."
        ) from None
    try:
        return Path(kagglehub.dataset_download(handle))
    except Exception as error:  # the client raises a dozen unrelated types
        raise DataError(
            f"Kaggle did not give the data set {handle}: {_reason(error)} Check the name and the network, or "
            f"download it at https://www.kaggle.com/datasets/{handle}, unpack it and pass the folder "
            "with --data."
        ) from error


def download_from_hub(reference: str) -> Path:
    """Return the folder of a Hub data set `owner/name[@revision]` of pictures in folders or zip files."""
    from huggingface_hub import snapshot_download

    repo_id, _, revision = reference.partition("@")
    patterns = [f"*{suffix}" for extension in sorted(EXTENSIONS) for suffix in (extension, extension.upper())]
    try:
        snapshot = snapshot_download(
            repo_id,
            repo_type="dataset",
            revision=revision or None,
            allow_patterns=[*patterns, "*.zip", "*.csv"],
        )
    except Exception as error:  # the client and the network below it raise a dozen unrelated types
        raise DataError(
            f"The Hub did not give the data set {reference}: {_reason(error)} Check the name and the "
            "network; a private or gated data set also needs `hf auth login`."
        ) from error
    folder = Path(snapshot)
    if not folder.is_dir():
        raise DataError(
            f"The data set {reference} holds no picture files, zip files or CSV. Pictures inside other "
            "files, such as Parquet, have to be written to a folder per label first."
        )
    archives = sorted(folder.rglob("*.zip"))
    return unpack(archives, folder) if archives else folder


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
    return "no connection." if "Connect" in type(error).__name__ else str(error)
