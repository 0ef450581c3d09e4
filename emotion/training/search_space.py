"""What a search varies: the ranges that are declared beside the hyperparameters in `emotion.config`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from optuna.distributions import FloatDistribution

from emotion.config import TrainingConfig, option_name
from emotion.options import Search

Space = dict[str, FloatDistribution]

DIGITS = 3  # of a value that is tried: more would only make the command longer


def search_space(config: TrainingConfig, *, given: Collection[str] = (), over: Sequence[str] = ()) -> Space:
    """Return what a search that starts from `config` varies.

    Parameters
    ----------
    config : TrainingConfig
        Every range is widened to hold its value.
    given : collection of str
        Fields that keep their value.
    over : sequence of str
        Fields to vary; by default all that have a range, make a difference, and are not `given`.

    Raises
    ------
    ValueError
        If a field of `over` has no range, or nothing is left to vary.
    """
    ranges = _ranges()
    if unknown := [name for name in over if name not in ranges]:
        raise ValueError(
            f"--over takes {', '.join(ranges)}, not {unknown[0]}: nothing else has a range to search in "
            "emotion/config.py."
        )
    idle = {"l2"} if config.architecture == "resnet" else set()
    if not (config.teacher or config.teacher_epochs):
        idle.add("teacher_weight")
    names = over or [name for name in ranges if name not in idle and name not in given]
    if not names:
        raise ValueError("Nothing is left to search: leave out some options, or name one with --over.")
    space = {}
    for name in names:
        found = ranges[name].around(getattr(config, name))
        space[name] = FloatDistribution(found.low, found.high, log=found.log)
    return space


def starting_point(config: TrainingConfig, space: Space) -> dict[str, float]:
    """Return the values that `config` has for what is varied, as near as a range allows."""
    return {name: max(item.low, min(item.high, getattr(config, name))) for name, item in space.items()}


def chosen_settings(config: TrainingConfig, values: Mapping[str, float]) -> TrainingConfig:
    """Return `config` with values that a search chose, rounded to so many digits as a person would type."""
    rounded: dict[str, Any] = {name: float(f"{value:.{DIGITS}g}") for name, value in values.items()}
    return replace(config, **rounded)


def typed(values: Mapping[str, float]) -> str:
    """Return values as they are typed: `--learning-rate 0.00123 --dropout 0.31`."""
    return " ".join(f"{option_name(name)} {value:.{DIGITS}g}" for name, value in values.items())


def _ranges() -> dict[str, Search]:
    return {item.name: item.metadata["search"] for item in fields(TrainingConfig) if item.metadata["search"]}
