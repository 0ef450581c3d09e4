"""The file in which a search is kept, and what the study in it is about. No training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from filelock import FileLock
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from emotion.config import TrainingConfig
from emotion.data.dataset import Dataset
from emotion.errors import DataError, TrainingError
from emotion.training.search_space import Space, starting_point

STUDY_FILE = "study.log"
STUDY_LOCK = "study.lock"


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """Create the folder of a search.

    Raises
    ------
    TrainingError
        If it cannot be written: at once, or when the disk is full later.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise TrainingError(
            f"The search cannot write to {output}: {error}. Check the path given to --output, its "
            "permissions and the free space, then give the same command again: it goes on where it was."
        ) from error


def study_lock(output: Path) -> FileLock:
    """Return the lock of whoever looks at a study in order to change it."""
    return FileLock(output / STUDY_LOCK)


def open_study(output: Path) -> optuna.Study:
    """Open the study of a folder, empty where there is none.

    Raises
    ------
    DataError
        If its file is damaged.
    """
    path = str(output / STUDY_FILE)
    try:
        # The lock that all systems have; Windows lets few people make links.
        storage = JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
        return optuna.create_study(storage=storage, study_name="search", load_if_exists=True)
    except ValueError as error:
        raise DataError(
            f"The study in {path} is damaged ({error}). Name another folder with --output."
        ) from error


def begin_study(study: optuna.Study, config: TrainingConfig, space: Space, dataset: Dataset) -> None:
    """Note what a new study is about; refuse to go on with another one.

    Raises
    ------
    ValueError, DataError
        If the study began with other settings, or other pictures.
    """
    # Where the data lie differs between computers; what they are is told by the fingerprint.
    settings = {name: value for name, value in config.to_dict().items() if name != "data"}
    begun = study.user_attrs
    if not begun:
        # The first run is the one that would have been made without a search: what is found is never worse.
        study.enqueue_trial(starting_point(config, space))
        study.set_user_attr("fingerprint", dataset.fingerprint)
        study.set_user_attr("space", {name: [item.low, item.high, item.log] for name, item in space.items()})
        study.set_user_attr("settings", config.to_dict())
        return
    if settings != {name: begun["settings"].get(name) for name in settings} or space != begun_space(study):
        raise ValueError(
            "The folder holds a search of other settings. Give only --search, --data and --output to go on "
            "with it, or name another folder with --output."
        )
    if begun["fingerprint"] != dataset.fingerprint:
        raise DataError(
            f"{dataset.source} holds other pictures than the search began with. Name the same data, or "
            "another folder with --output."
        )


def begun_space(study: optuna.Study) -> Space:
    """Return what a study that has begun varies."""
    ranges = study.user_attrs["space"].items()
    return {name: FloatDistribution(low, high, log=log) for name, (low, high, log) in ranges}
