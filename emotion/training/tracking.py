"""What a run tells beyond its own folder: its curves to trackio, the Hub's tracker, and the CO₂ it cost."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
from huggingface_hub import get_token

from emotion.config import TrainingConfig
from emotion.errors import TrainingError
from emotion.program import INSTALL_TRACKING
from emotion.training.saving import public_settings

# Both packages are imported where they are used, by name: training never needs them.
PROJECT = "facial-emotion"


@dataclass(frozen=True)
class Tracking:
    """What a run tells, and to whom; nothing by default.

    `curves` go to trackio on this computer, or to the Space "owner/name" named by `space`; `country`, three
    letters of ISO 3166, is where the electricity comes from, of which codecarbon estimates the CO₂.
    """

    curves: bool = False
    space: str = ""
    country: str | None = None

    def check(self) -> None:
        """Raise TrainingError where the run could not tell what it should, before it begins."""
        needed = {"trackio": self.curves, "codecarbon": self.country is not None}
        missing = [name for name, used in needed.items() if used and not importlib.util.find_spec(name)]
        if missing:
            raise TrainingError(f"{' and '.join(missing)} is not installed. Type: {INSTALL_TRACKING}")
        if self.curves and self.space and get_token() is None:
            raise TrainingError(
                "--track OWNER/NAME needs a Hub token: type `hf auth login`. --track alone keeps the curves "
                "on this computer."
            )
        if self.country is not None and self.country not in (known := _countries()):
            raise TrainingError(
                f"--co2 takes the three letters of a country, such as DEU or USA. {self.country} is none of "
                f"{', '.join(sorted(known))}."
            )

    def callbacks(self, config: TrainingConfig, run: Path, stage: str) -> list[keras.callbacks.Callback]:
        """Return what sends the curves of one network of a run, named after the run's folder."""
        return [Curves(config, f"{run.resolve().name}, {stage}", self.space or None)] if self.curves else []

    @contextmanager
    def emissions(self) -> Iterator[dict[str, object]]:
        """Give a dictionary that holds `co2_grams` and `co2_country` at the end of the `with` block."""
        found: dict[str, object] = {}
        if self.country is None:
            yield found
            return
        codecarbon = importlib.import_module("codecarbon")

        # Offline: the online one looks up where this computer is.
        tracker = codecarbon.OfflineEmissionsTracker(
            country_iso_code=self.country,
            save_to_file=False,
            save_to_api=False,
            save_to_logger=False,
            allow_multiple_runs=True,
            log_level="error",
        )
        tracker.start()
        try:
            yield found
        finally:
            kilograms = tracker.stop()
            if kilograms is not None:
                found |= {"co2_grams": float(f"{1000 * kilograms:.3g}"), "co2_country": self.country}


NO_TRACKING = Tracking()


class Curves(keras.callbacks.Callback):
    """Sends loss and accuracy to trackio after every epoch."""

    def __init__(self, config: TrainingConfig, name: str, space: str | None) -> None:
        super().__init__()
        self._settings = public_settings(config)
        self._name, self._space = name, space

    def on_train_begin(self, *_: object, **__: object) -> None:
        """Open the run, or the one that an interrupted run began; Keras calls this."""
        trackio = importlib.import_module("trackio")

        trackio.init(
            PROJECT, name=self._name, space_id=self._space, config=self._settings, resume="allow", embed=False
        )

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Send one value of every curve; Keras calls this."""
        trackio = importlib.import_module("trackio")

        trackio.log({name: float(value) for name, value in (logs or {}).items()}, step=epoch + 1)

    def on_train_end(self, *_: object, **__: object) -> None:
        """Send what is left; Keras calls this, and trackio itself where Ctrl-C ends the program."""
        trackio = importlib.import_module("trackio")

        trackio.finish()


def _countries() -> set[str]:
    data = importlib.import_module("codecarbon.input").DataSource()
    return set(data.get_global_energy_mix_data())
