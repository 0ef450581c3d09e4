"""The folder of a run: its settings, and that only one run writes it at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from emotion.config import TrainingConfig, option_name
from emotion.data.dataset import Dataset
from emotion.errors import DataError, TrainingError
from emotion.model.description import DESCRIPTION_FILE

CONFIG_FILE = "training.json"
CHECKPOINT_FOLDER = "checkpoint"
STATE_FILE = "state.json"
LOCK_FILE = "run.lock"
# Settings that may change when a run continues: where things are, how fast, or what counts at its end.
FREE_SETTINGS = {
    "data", "soft_labels", "groups", "teacher", "members", "workers", "cache_mib", "devices", "precision",
    "learning_rate", "patience", "flip_averaging", "prior_correction", "litert_precision",
    "license", "license_note", "data_note",
}  # fmt: skip


@contextmanager
def written_by_one_run(output: str | os.PathLike[str]) -> Iterator[Path]:
    """Create a folder and keep other runs out of it; a failure leaves no empty folder behind.

    Another run in it, or a disk that cannot be written, now or later, is a TrainingError.
    """
    output = Path(output)
    created = [folder for folder in (output, *output.parents) if not folder.exists()]
    try:
        output.mkdir(parents=True, exist_ok=True)
        with FileLock(output / LOCK_FILE, timeout=0):
            yield output
    except Timeout as error:
        raise TrainingError(
            f"Another run is writing to {output}. Wait until it has ended, or name another folder with "
            "--output."
        ) from error
    except OSError as error:
        raise TrainingError(
            f"The run cannot write to {output}: {error}. Check the path given to --output, its permissions "
            "and the free space. What was saved before is untouched; --resume continues a run that had begun."
        ) from error
    finally:
        if created and output.is_dir() and {path.name for path in output.iterdir()} <= {LOCK_FILE}:
            (output / LOCK_FILE).unlink(missing_ok=True)
            for folder in created:
                with suppress(OSError):
                    folder.rmdir()


def refuse_used_folder(output: str | os.PathLike[str]) -> None:
    """Raise a TrainingError for a folder that holds a model, or a run that can be resumed."""
    if (Path(output) / DESCRIPTION_FILE).exists():
        raise TrainingError(f"{output} holds a model. Name another --output, or replace it with --overwrite.")
    if has_checkpoint(output):
        raise TrainingError(
            f"{output} holds a run. Continue it with --resume, name another --output, or start it again with "
            "--overwrite."
        )


def check_resumed(config: TrainingConfig, dataset: Dataset, output: str | os.PathLike[str]) -> None:
    """Refuse to continue a run with another network, schedule or other pictures, with a DataError."""
    before, now = load_run_config(output).to_dict(), config.to_dict()
    changed = [name for name in now if name not in FREE_SETTINGS and now[name] != before[name]]
    if changed:
        listed = "; ".join(f"{option_name(name)}: {before[name]} then, {now[name]} now" for name in changed)
        raise DataError(
            f"The run in {output} was started with other settings ({listed}). Leave these options out to "
            "continue it, or name another --output to start a new run. Nothing was changed."
        )
    fingerprint = _read_settings(Path(output) / CONFIG_FILE).get("fingerprint")
    if fingerprint not in (None, dataset.fingerprint):
        raise DataError(
            f"{dataset.source} holds other pictures or labels than the run in {output} began with. Give "
            "--data the same pictures, or name another --output to start a new run. Nothing was changed."
        )


def save_run_config(
    config: TrainingConfig, output: str | os.PathLike[str], fingerprint: str | None = None
) -> None:
    """Write the configuration that `load_run_config` reads, and which pictures it is about."""
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(config.to_dict() | ({"fingerprint": fingerprint} if fingerprint else {}), indent=2)
    write_whole(output / CONFIG_FILE, lambda path: path.write_text(text, encoding="utf-8"))


def load_run_config(output: str | os.PathLike[str]) -> TrainingConfig:
    """Return the configuration that the run in `output` was started with, by any version."""
    path = Path(output) / CONFIG_FILE
    try:
        return TrainingConfig.from_dict(_read_settings(path))
    except FileNotFoundError as error:
        raise DataError(
            f"No training run to resume in {output}. Name a folder that holds {CONFIG_FILE}."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"The run in {output} cannot be resumed: {path.name} cannot be used ({error}). Start it again "
            "without --resume."
        ) from error


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the settings in any run's `training.json`, as field name and value."""
    try:
        return TrainingConfig.from_dict(_read_settings(Path(path))).to_dict()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}). Give --config the {CONFIG_FILE} of a run."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path} holds no settings that can be used: {error} Give --config the {CONFIG_FILE} of a run."
        ) from error


def has_checkpoint(output: str | os.PathLike[str]) -> bool:
    """Return whether a run in `output` has completed an epoch, so that it can be resumed."""
    return (Path(output) / CHECKPOINT_FOLDER / STATE_FILE).exists()


def forget_checkpoint(output: str | os.PathLike[str]) -> None:
    """Make sure that nothing in `output` is resumed."""
    (Path(output) / CHECKPOINT_FOLDER / STATE_FILE).unlink(missing_ok=True)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place and move it there, so that a kill leaves the old or the new one whole."""
    beside = path.with_name("new." + path.name)
    write(beside)
    os.replace(beside, path)


def _read_settings(path: Path) -> dict[str, Any]:
    values = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict) or not values.keys() & TrainingConfig.__dataclass_fields__:
        raise ValueError("it is not what a run writes.")
    return {"framing": "whole"} | values  # as it was before there was a choice
