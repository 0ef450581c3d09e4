"""A search for good settings: many runs on one data set, judged by their validation loss.

The runs are an Optuna study in the output folder. The same command continues it after a kill, and a second
process that is given the folder joins it. Trials are numbered from 0, as Optuna does.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import keras
import optuna
from filelock import FileLock, Timeout
from matplotlib import pyplot as plt
from optuna.distributions import FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, Trial, TrialState
from optuna.visualization import matplotlib as optuna_plots

from emotion.config import TrainingConfig, option_name
from emotion.data.dataset import Dataset, load_dataset
from emotion.errors import DataError, DivergedError, TrainingError
from emotion.model.classifier import EmotionClassifier
from emotion.options import Search
from emotion.predictions.display import percent
from emotion.report.card import training_command
from emotion.report.report import Report
from emotion.training.evaluation import summary
from emotion.training.folder import CHECKPOINT_FOLDER, LOCK_FILE, save_run_config, written_by_one_run
from emotion.training.runs import record_audit
from emotion.training.saving import save_model
from emotion.training.stages import TEACHER_FOLDER, plan_stages, run_stage, with_background

logger = logging.getLogger(__name__)

Space = dict[str, FloatDistribution]

STUDY_FILE, STUDY_LOCK = "study.log", "study.lock"
TABLE_FILE = "trials.csv"
HISTORY_PLOT, IMPORTANCE_PLOT = "search_history.png", "search_importances.png"
TRIAL_FOLDER = "trial-{:04d}"
# Failures in a row that no longer look like the fault of the settings tried.
MOST_FAILURES = 3
# Complete runs before curves are compared, and the share of a run that every curve gets first.
COMPARED_AFTER, SPARED = 5, 0.2
# Complete runs below which importances are noise.
FEWEST_FOR_IMPORTANCE = 5
MOST_NAMED = 5  # settings in the summary
DIGITS = 3  # significant ones of a value that is tried, to keep commands short
COUNTED = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
# Between a trial's start and the lock on its folder, which shows that its process is alive.
UNLOCKED = timedelta(minutes=1)


@dataclass(frozen=True)
class Outcome:
    """How a search ended: its best run so far, and how much each setting explains of the differences.

    `report` is None while another process still works on a run; the last one to end saves the best model.
    """

    number: int
    loss: float
    config: TrainingConfig
    complete: int
    importances: dict[str, float]
    report: Report | None


def search_settings(
    config: TrainingConfig,
    output: str | os.PathLike[str],
    *,
    trials: int,
    given: Collection[str] = (),
    over: Sequence[str] = (),
    join: bool = False,
) -> Outcome:
    """Look for the settings with the lowest validation loss, and save the best run's model to `output`.

    `config` holds the first settings to try; what is not searched stays as it is. An existing study in
    `output` continues, until it has `trials` runs from all processes together; failed ones do not count.
    Fields that are `given` stay; `over` names the fields to search, by default all that have a range and make
    a difference. `join` takes the settings of the existing study, if any; of `config`, only `data` counts
    then, if given.

    TrainingError if no run was completed, several in a row failed, or the study cannot be written; DataError
    if the data cannot be used or are not the study's; ValueError if there is nothing to search or the study
    searches something else. After Ctrl-C, the same call continues.
    """
    if config.freeze:
        raise ValueError("--freeze fits in one step: there is nothing to search.")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    output = Path(output)
    with _writable(output):
        study = _open_study(output)
        begun = study.user_attrs.get("settings")
        if join and begun:
            config = TrainingConfig.from_dict(begun | ({"data": config.data} if "data" in given else {}))
            space = _space_of(study)
        else:
            config = replace(config, ensemble_size=1, members=())
            space = search_space(config, given=given, over=over)
        dataset = load_dataset(config, folder=output)
        search = _Search(study, config, space, dataset, output, trials)
        with search.lock():
            _begin(study, config, space, dataset)
            search.dataset = with_background(record_audit(dataset, output), config)
            search.repeat_killed()
        return search.run()


def search_summary(outcome: Outcome, output: str) -> str:
    """Return what a search found, as a few lines of text."""
    lines = [f"Best: trial {outcome.number}, validation loss {outcome.loss:.4f}."]
    if outcome.importances:
        most = list(outcome.importances.items())[:MOST_NAMED]
        shares = ", ".join(f"{name.replace('_', ' ')} {percent(share)}" for name, share in most)
        lines.append(f"Share of the differences between {outcome.complete} complete runs: {shares}.")
    if outcome.report is not None:
        lines += [summary(outcome.report), f"The model of that run is in {output}."]
    lines += [
        f"{output}/{TABLE_FILE} lists all runs, {output}/{HISTORY_PLOT} shows them.",
        f"Repeat the best run: {training_command(outcome.config.to_dict(), public=False)}",
    ]
    return "\n".join(lines)


class _Search:
    """One process at work on a study."""

    def __init__(
        self,
        study: optuna.Study,
        config: TrainingConfig,
        space: Space,
        dataset: Dataset,
        output: Path,
        trials: int,
    ) -> None:
        self.study, self.config, self.space = study, config, space
        self.dataset, self.output, self.trials = dataset, output, trials
        self.failures = 0
        study.sampler = optuna.samplers.TPESampler(seed=config.seed + len(study.trials))
        study.pruner = optuna.pruners.MedianPruner(
            n_startup_trials=COMPARED_AFTER, n_warmup_steps=round(SPARED * config.epochs)
        )

    def lock(self) -> FileLock:
        """Return the lock of a process that is about to change what several share."""
        return FileLock(self.output / STUDY_LOCK)

    def repeat_killed(self) -> None:
        """Enqueue the settings of runs that a killed process left behind."""
        for trial in self._trials(TrialState.RUNNING):
            if not self._is_alive(trial):
                logger.info("Trial %d was interrupted; its settings are tried again.", trial.number)
                self.study.tell(trial.number, state=TrialState.FAIL)
                self.study.enqueue_trial(trial.params)

    def run(self) -> Outcome:
        """Run trials until the study has enough of them, then save the best one's model."""
        if len(self._trials(*COUNTED)) < self.trials:
            enough = MaxTrialsCallback(self.trials, states=COUNTED)
            self.study.optimize(self._try, catch=(Exception,), callbacks=[self._record, enough])
        complete = self._trials(TrialState.COMPLETE)
        if not complete:
            reasons = {trial.user_attrs.get("reason", "") for trial in self.study.trials} - {""}
            raise TrainingError(
                f"None of the runs in {self.output} was completed. {' '.join(sorted(reasons)[:3])}"
            )
        with self.lock():
            best = self.study.best_trial
            config = _with_values(self.config, best.params)
            running = [trial for trial in self._trials(TrialState.RUNNING) if self._is_alive(trial)]
            if running:
                logger.info("Another process still works on a run: the last one to end saves the best model.")
            elif self.study.user_attrs.get("saved") != best.number:
                self._save(best, config)
                self.study.set_user_attr("saved", best.number)
            return Outcome(
                number=best.number,
                loss=float(best.value or 0.0),
                config=config,
                complete=len(complete),
                importances=_importances(self.study),
                report=None if running else EmotionClassifier.from_pretrained(self.output).report,
            )

    def _try(self, trial: Trial) -> float:
        """Fit a network with the values that Optuna suggests; return its validation loss."""
        ranges = self.space.items()
        values = {name: trial.suggest_float(name, own.low, own.high, log=own.log) for name, own in ranges}
        config = _with_values(self.config, values)
        try:
            with written_by_one_run(self._folder(trial)) as folder:
                *before, last = plan_stages(config, folder)
                for stage in before:
                    run_stage(stage, self.dataset, resume=False)
                fitted = run_stage(last, self.dataset, resume=False, callbacks=[_Pruning(trial)])
                if fitted.interrupted:
                    raise KeyboardInterrupt
        except DivergedError as error:
            # Not a failure: the study should learn to keep away from such settings.
            trial.set_user_attr("reason", str(error))
            raise optuna.TrialPruned from error
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt):
                self.study.enqueue_trial(values)
                raise KeyboardInterrupt from None
            if not isinstance(error, optuna.TrialPruned):
                trial.set_user_attr("reason", f"{type(error).__name__}: {error}")
            raise
        trial.set_user_attr("accuracy", fitted.history["val_accuracy"][fitted.best_epoch - 1])
        trial.set_user_attr("epochs", len(fitted.history["val_loss"]))
        return fitted.history["val_loss"][fitted.best_epoch - 1]

    def _record(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Log how a trial ended, write table and plots, and delete what no later step needs."""
        keras.utils.clear_session()
        complete = self._trials(TrialState.COMPLETE)
        best = study.best_trial if complete else None
        outcome = {
            TrialState.COMPLETE: f"validation loss {trial.value or 0.0:.4f}",
            TrialState.PRUNED: "given up early",
        }.get(trial.state, "failed")
        outcome += f" ({trial.user_attrs['reason']})" if "reason" in trial.user_attrs else ""
        best_so_far = (
            f"Best so far: trial {best.number}, {_typed(best.params)}" if best else "None complete yet"
        )
        logger.info("Trial %d: %s. %s.", trial.number, outcome, best_so_far)
        with self.lock():
            write_findings(study, self.output)
            for ended in study.trials:
                if ended.state.is_finished() and (best is None or ended.number != best.number):
                    for name in (CHECKPOINT_FOLDER, TEACHER_FOLDER):
                        shutil.rmtree(self._folder(ended) / name, ignore_errors=True)
        self.failures = self.failures + 1 if trial.state == TrialState.FAIL else 0
        if self.failures == MOST_FAILURES:
            raise TrainingError(
                f"{self.failures} runs in a row failed, the last with {trial.user_attrs.get('reason')} The "
                f"study is kept in {self.output}: correct that, then give the same command again."
            )

    def _save(self, best: FrozenTrial, config: TrainingConfig) -> None:
        logger.info("Evaluating the best run, trial %d.", best.number)
        with written_by_one_run(self.output):
            *_, last = plan_stages(config, self._folder(best))
            fitted = run_stage(last, self.dataset, resume=True)
            save_run_config(config, self.output, self.dataset.fingerprint)
            command = training_command(config.to_dict())
            save_model([fitted], config, self.dataset, self.output, seconds=fitted.seconds, command=command)

    def _is_alive(self, trial: FrozenTrial) -> bool:
        """Return whether a process is at work on a running trial."""
        lock = self._folder(trial) / LOCK_FILE
        if not lock.exists():
            return trial.datetime_start is None or datetime.now() - trial.datetime_start < UNLOCKED
        try:
            with FileLock(lock, timeout=0):
                return False
        except Timeout:
            return True

    def _folder(self, trial: Trial | FrozenTrial) -> Path:
        return self.output / TRIAL_FOLDER.format(trial.number)

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states)


class _Pruning(keras.callbacks.Callback):
    """Reports the validation loss of every epoch, and ends a run whose curve is worse than most."""

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.trial = trial

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Report and prune; Keras calls this."""
        if logs is not None:
            self.trial.report(logs["val_loss"], epoch)
            if self.trial.should_prune():
                raise optuna.TrialPruned


def search_space(config: TrainingConfig, *, given: Collection[str] = (), over: Sequence[str] = ()) -> Space:
    """Return what a search that starts from `config` varies: the ranges declared in `emotion.config`.

    Every range is widened to hold the value in `config`. `given` and `over` are as in `search_settings`,
    and so is the ValueError.
    """
    found = {item.name: item.metadata["search"] for item in fields(TrainingConfig)}
    ranges: dict[str, Search] = {name: each for name, each in found.items() if each}
    if unknown := [name for name in over if name not in ranges]:
        raise ValueError(
            f"--over takes {', '.join(ranges)}, not {unknown[0]}: only these have a range to search."
        )
    idle = {"l2"} if config.architecture == "resnet" else set()
    if not (config.teacher or config.teacher_epochs):
        idle.add("teacher_weight")
    names = over or [name for name in ranges if name not in idle and name not in given]
    if not names:
        raise ValueError("Nothing is left to search: leave out some options, or name one with --over.")
    widened = {name: ranges[name].around(getattr(config, name)) for name in names}
    return {name: FloatDistribution(own.low, own.high, log=own.log) for name, own in widened.items()}


def starting_point(config: TrainingConfig, space: Space) -> dict[str, float]:
    """Return the values that `config` has for what is varied, as near as a range allows."""
    return {name: max(item.low, min(item.high, getattr(config, name))) for name, item in space.items()}


def _with_values(config: TrainingConfig, values: Mapping[str, float]) -> TrainingConfig:
    rounded: dict[str, Any] = {name: float(f"{value:.{DIGITS}g}") for name, value in values.items()}
    return replace(config, **rounded)


def _typed(values: Mapping[str, float]) -> str:
    """Return values as they are typed: `--learning-rate 0.00123 --dropout 0.31`."""
    return " ".join(f"{option_name(name)} {value:.{DIGITS}g}" for name, value in values.items())


@contextmanager
def _writable(output: Path) -> Iterator[None]:
    """Create the folder of a search; turn what goes wrong in it into a TrainingError."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise TrainingError(
            f"The search cannot write to {output}: {error}. Check the path given to --output, its "
            "permissions and the free space, then give the same command again to continue."
        ) from error


def _open_study(output: Path) -> optuna.Study:
    path = str(output / STUDY_FILE)
    try:
        # The lock that works on every system: on Windows, links need a privilege.
        storage = JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
        return optuna.create_study(storage=storage, study_name="search", load_if_exists=True)
    except ValueError as error:
        raise DataError(
            f"The study in {path} is damaged ({error}). Name another folder with --output."
        ) from error


def _begin(study: optuna.Study, config: TrainingConfig, space: Space, dataset: Dataset) -> None:
    """Record what a new study is about; refuse to continue one of other settings or pictures."""
    # The pictures may have moved: the fingerprint tells whether they are the same.
    settings = {name: value for name, value in config.to_dict().items() if name != "data"}
    begun = study.user_attrs
    if not begun:
        # The first run is the one that would have been made without a search: the best is never worse.
        study.enqueue_trial(starting_point(config, space))
        study.set_user_attr("fingerprint", dataset.fingerprint)
        study.set_user_attr("space", {name: [item.low, item.high, item.log] for name, item in space.items()})
        study.set_user_attr("settings", config.to_dict())
        return
    if settings != {name: begun["settings"].get(name) for name in settings} or space != _space_of(study):
        raise ValueError(
            "The folder holds a search of other settings. Give only --search, --data and --output to "
            "continue it, or name another folder with --output."
        )
    if begun["fingerprint"] != dataset.fingerprint:
        raise DataError(
            f"{dataset.source} holds other pictures than the search began with. Name the same data, or "
            "another folder with --output."
        )


def _space_of(study: optuna.Study) -> Space:
    ranges = study.user_attrs["space"].items()
    return {name: FloatDistribution(low, high, log=log) for name, (low, high, log) in ranges}


def _importances(study: optuna.Study) -> dict[str, float]:
    """Return how much of the differences between runs each setting explains; empty after too few runs."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < FEWEST_FOR_IMPORTANCE or len({trial.value for trial in complete}) < 2:
        return {}
    return optuna.importance.get_param_importances(study)


def write_findings(study: optuna.Study, output: Path) -> None:
    """Write Optuna's table of all runs and its plots."""
    study.trials_dataframe().to_csv(output / TABLE_FILE, index=False)
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return
    # Optuna changes matplotlib's style for the whole process, and calls its plots experimental.
    with plt.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna_plots.plot_optimization_history(study, target_name="validation loss")
        plt.savefig(output / HISTORY_PLOT, bbox_inches="tight")
        plt.close()
        if _importances(study):
            optuna_plots.plot_param_importances(study)
            plt.savefig(output / IMPORTANCE_PLOT, bbox_inches="tight")
            plt.close()
