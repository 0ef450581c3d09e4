"""What a search tells people: a line after every run, a table, a plot, what mattered."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.trial import FrozenTrial, TrialState

from emotion.report.plots import BLUE, DOTS_PER_INCH, FAINT, INK, ORANGE, QUIET
from emotion.training.folder import write_whole
from emotion.training.search_space import typed

TABLE_FILE = "trials.csv"
PLOT_FILE = "search.png"
# Complete runs below which importances are noise and are not shown, and below which they say so.
FEWEST_FOR_IMPORTANCE, ENOUGH_FOR_IMPORTANCE = 5, 25
MOST_BARS = 12


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """Return the complete run with the lowest validation loss, None before there is one."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return min(complete, key=lambda trial: (_loss(trial), trial.number), default=None)


def progress_line(study: optuna.Study, number: int, trials: int) -> str:
    """Return what came of a run, and which is the best so far.

    Parameters
    ----------
    study : optuna.Study
    number : int
        Of the run, counted from 0.
    trials : int
        How many the study is to have.
    """
    trial = study.trials[number]
    if "reason" in trial.user_attrs:
        diverged = trial.state == TrialState.PRUNED
        outcome = "diverged" if diverged else f"failed ({trial.user_attrs['reason']})"
    elif trial.state == TrialState.PRUNED:
        outcome = f"given up after epoch {max(trial.intermediate_values) + 1}, loss {_loss(trial):.4f}"
    else:
        outcome = f"validation loss {_loss(trial):.4f}, accuracy {trial.user_attrs['accuracy']:.1%}"
    best = best_trial(study)
    so_far = (
        f"Best so far: trial {best.number + 1}, loss {_loss(best):.4f}, accuracy "
        f"{best.user_attrs['accuracy']:.1%}, {typed(best.params)}"
        if best
        else "None has come to an end yet"
    )
    return f"Trial {number + 1} of {trials}: {outcome}. {so_far}."


def what_mattered(study: optuna.Study) -> dict[str, float]:
    """Return how much of the difference between runs each setting explains, most first; shares of 1.

    After Watanabe et al., "PED-ANOVA: Efficiently quantifying hyperparameter importance in arbitrary
    subspaces", 2023. Empty while too few runs are complete.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < FEWEST_FOR_IMPORTANCE or len({trial.value for trial in complete}) < 2:
        return {}
    shares = optuna.importance.get_param_importances(study)
    return {name: float(share) for name, share in shares.items()}


def write_search(study: optuna.Study, output: Path) -> None:
    """Write the table of all runs and the plot."""
    write_whole(output / TABLE_FILE, lambda path: _write_table(study, path))
    write_whole(output / PLOT_FILE, lambda path: _draw(study).savefig(path, dpi=DOTS_PER_INCH, format="png"))


def _write_table(study: optuna.Study, path: Path) -> None:
    trials = study.get_trials(deepcopy=False)
    names = sorted({name for trial in trials for name in trial.params})
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "state", "validation_loss", "accuracy", "epochs", *names, "reason"])
        for trial in trials:
            attributes: dict[str, Any] = trial.user_attrs
            told = (attributes.get(name, "") for name in ("accuracy", "epochs"))
            values = (trial.params.get(name, "") for name in names)
            loss = "" if trial.value is None else trial.value
            writer.writerow(
                [
                    trial.number + 1,
                    trial.state.name.lower(),
                    loss,
                    *told,
                    *values,
                    attributes.get("reason", ""),
                ]
            )


def _draw(study: optuna.Study) -> Figure:
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    runs, importance = figure.subplots(1, 2)
    _draw_runs(runs, study)
    _draw_importance(importance, study)
    return figure


def _draw_runs(axes: Axes, study: optuna.Study) -> None:
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.value is not None]
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    for kind, colour, name in ((complete, BLUE, "complete"), (pruned, QUIET, "given up early")):
        numbers, losses = [trial.number + 1 for trial in kind], [_loss(trial) for trial in kind]
        axes.scatter(numbers, losses, s=22, color=colour, label=name, zorder=2)
    if complete:
        best = np.minimum.accumulate([_loss(trial) for trial in complete])
        numbers = [trial.number + 1 for trial in complete]
        axes.step(numbers, best, where="post", color=ORANGE, label="best so far", zorder=1)
        # A run that went wrong early has a loss that would press all others together.
        low, high = min(map(_loss, complete)), max(map(_loss, complete))
        axes.set_ylim(low - 0.1 * (high - low) - 1e-3, high + 0.3 * (high - low) + 1e-3)
    if trials:
        axes.legend(frameon=False)
    _dress(axes, "Runs", x="trial", y="lowest validation loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_importance(axes: Axes, study: optuna.Study) -> None:
    shares = dict(list(what_mattered(study).items())[:MOST_BARS])
    complete = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    if not shares:
        axes.set_axis_off()
        axes.text(
            0.5,
            0.5,
            f"What mattered shows after {FEWEST_FOR_IMPORTANCE} complete runs",
            ha="center",
            color=QUIET,
        )
        return
    names = [name.replace("_", " ") for name in reversed(shares)]
    axes.barh(names, list(reversed(shares.values())), color=BLUE)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    guess = ", a guess" if complete < ENOUGH_FOR_IMPORTANCE else ""
    _dress(axes, "What mattered", x=f"share of the differences ({complete} complete runs{guess})")


def _dress(axes: Axes, title: str, *, x: str = "", y: str = "") -> None:
    axes.set_title(title, loc="left", color=INK)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color=FAINT)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _loss(trial: FrozenTrial) -> float:
    return np.inf if trial.value is None else float(trial.value)
