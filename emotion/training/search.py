"""A search for good settings: many runs on one data set, judged by their validation curves.

They are kept in a study, a file in the output folder. Whoever is told the same folder goes on with it: after
a kill, or as a second process beside the first. What a search tells people is in `search_report`.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, Trial, TrialState

from emotion.config import TrainingConfig
from emotion.data.dataset import Dataset, load_dataset
from emotion.errors import DataError, DivergedError, TrainingError
from emotion.model.classifier import EmotionClassifier
from emotion.report.card import training_command
from emotion.report.report import Report
from emotion.training.evaluation import summary
from emotion.training.fit import FittedNetwork
from emotion.training.folder import CHECKPOINT_FOLDER, LOCK_FILE, save_run_config, written_by_one_run
from emotion.training.runs import record_audit
from emotion.training.saving import save_model
from emotion.training.search_report import (
    PLOT_FILE,
    TABLE_FILE,
    best_trial,
    progress_line,
    what_mattered,
    write_search,
)
from emotion.training.search_space import Space, chosen_settings, search_space
from emotion.training.stages import TEACHER_FOLDER, forget_stages, plan_stages, run_stage
from emotion.training.study import begin_study, begun_space, open_study, study_lock, writing

logger = logging.getLogger(__name__)

TRIAL_FOLDER = "trial-{:04d}"
# Failures in a row that no longer look like the fault of the settings tried.
MOST_FAILURES = 3
# Complete runs before curves are compared, and the share of a run that every curve gets first.
COMPARED_AFTER, SPARED = 5, 0.2
MOST_NAMED = 5  # settings that mattered


@dataclass(frozen=True)
class Outcome:
    """How a search ended.

    Attributes
    ----------
    number : int
        The run with the lowest validation loss, counted from 1.
    loss : float
        That loss.
    config : TrainingConfig
        Its settings.
    complete : int
        How many runs came to an end.
    mattered : dict of str to float
        See `search_report.what_mattered`.
    report : Report or None
        Of the best run, whose model is in the output folder; None while another process still works on a run:
        the last one to end saves it.
    """

    number: int
    loss: float
    config: TrainingConfig
    complete: int
    mattered: dict[str, float]
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

    Parameters
    ----------
    config : TrainingConfig
        The first settings to try; what is not searched stays as it is.
    output : path
        Folder of the study. A study that is there already goes on.
    trials : int
        How many runs the study has in the end, whichever process did them.
    given : collection of str
        Fields that stay as they are in `config`.
    over : sequence of str
        Fields to search; by default all that have a range, make a difference, and are not `given`.
    join : bool
        Take the settings of a study that is there already; of `config`, only `data` counts then, if given.

    Raises
    ------
    TrainingError
        If no run came to an end, one after the other fails, or the study cannot be written.
    DataError
        If the data cannot be trained on, or are not those of the study.
    ValueError
        If there is nothing to search, or the study that is there searches something else.
    KeyboardInterrupt
        After Ctrl-C; the same call goes on with the run that it interrupted.
    """
    if config.freeze:
        raise ValueError("--freeze fits in one step: there is nothing to search.")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    output = Path(output)
    with writing(output):
        study = open_study(output)
        begun = study.user_attrs.get("settings")
        if join and begun:
            config = TrainingConfig.from_dict(begun | ({"data": config.data} if "data" in given else {}))
            space = begun_space(study)
        else:
            config = replace(config, ensemble_size=1, members=())
            space = search_space(config, given=given, over=over)
        dataset = load_dataset(config)
        with study_lock(output):
            begin_study(study, config, space, dataset)
            dataset = record_audit(dataset, output)
        study.pruner = optuna.pruners.MedianPruner(
            n_startup_trials=COMPARED_AFTER, n_warmup_steps=round(SPARED * config.epochs)
        )
        search = _Search(study, config, space, dataset, output, trials)
        search.run()
        return search.end()


def search_summary(outcome: Outcome, output: str) -> str:
    """Return what a search found, as a few lines of text."""
    lines = [f"Best: trial {outcome.number}, validation loss {outcome.loss:.4f}."]
    if outcome.mattered:
        most = list(outcome.mattered.items())[:MOST_NAMED]
        shares = ", ".join(f"{name.replace('_', ' ')} {share:.0%}" for name, share in most)
        lines.append(f"What mattered among {outcome.complete} complete runs: {shares}.")
    if outcome.report is not None:
        lines += [summary(outcome.report), f"The model of that run is in {output}."]
    lines += [
        f"All runs are in {output}/{TABLE_FILE}, the plot is {output}/{PLOT_FILE}.",
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

    def run(self) -> None:
        """Run trials until the study has enough of them."""
        failures = 0
        while True:
            with self._claim() as claim:
                if claim is None:
                    return
                trial, resume = claim
                error = self._try(trial, resume=resume)
            failures = failures + 1 if error else 0
            self._tell_people(trial.number)
            keras.utils.clear_session()
            if error and failures == MOST_FAILURES:
                raise TrainingError(
                    f"{failures} runs in a row failed, the last with: {error} The study is kept in "
                    f"{self.output}: put that right, then give the same command again."
                ) from error

    def end(self) -> Outcome:
        """Save the model of the best run, if no other process still works on one."""
        with study_lock(self.output):
            best = best_trial(self.study)
            if best is None:
                reasons = {trial.user_attrs.get("reason", "") for trial in _ended(self.study)} - {""}
                raise TrainingError(
                    f"None of the runs in {self.output} came to an end. {' '.join(sorted(reasons)[:3])}"
                )
            config = chosen_settings(self.config, best.params)
            running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            if running:
                logger.info("Another process still works on a run: the last one to end saves the best model.")
            elif self.study.user_attrs.get("saved") != best.number:
                self._save(best, config)
                self.study.set_user_attr("saved", best.number)
            complete = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            return Outcome(
                number=best.number + 1,
                loss=float(best.value or 0.0),
                config=config,
                complete=len(complete),
                mattered=what_mattered(self.study),
                report=None if running else EmotionClassifier.from_pretrained(self.output).report,
            )

    def _save(self, best: FrozenTrial, config: TrainingConfig) -> None:
        logger.info("Evaluating the best run, trial %d.", best.number + 1)
        folder = self.output / TRIAL_FOLDER.format(best.number + 1)
        with written_by_one_run(self.output):
            *_, last = plan_stages(config, folder)
            fitted = run_stage(last, self.dataset, resume=True)
            save_run_config(config, self.output)
            command = training_command(config.to_dict())
            save_model([fitted], config, self.dataset, self.output, seconds=fitted.seconds, command=command)

    @contextmanager
    def _claim(self) -> Iterator[tuple[Trial, bool] | None]:
        """Keep a trial to this process: one that a killed process left behind, or a new one."""
        with ExitStack() as held:
            with study_lock(self.output):
                claim = self._left_behind(held) or self._next(held)
            yield claim

    def _left_behind(self, held: ExitStack) -> tuple[Trial, bool] | None:
        for frozen in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            try:
                held.enter_context(self._lock(frozen.number))
            except Timeout:
                continue
            if frozen.params.keys() == self.space.keys():
                logger.info("Going on with trial %d, which was interrupted.", frozen.number + 1)
                return Trial(self.study, frozen._trial_id), True  # noqa: SLF001
            self.study.tell(frozen.number, state=TrialState.FAIL)
        return None

    def _next(self, held: ExitStack) -> tuple[Trial, bool] | None:
        started = [trial for trial in self.study.trials if trial.state != TrialState.WAITING]
        if len(started) >= self.trials:
            return None
        self.study.sampler = optuna.samplers.TPESampler(seed=self.config.seed + len(started))
        trial = self.study.ask({**self.space})
        held.enter_context(self._lock(trial.number))
        return trial, False

    def _lock(self, number: int) -> FileLock:
        folder = self.output / TRIAL_FOLDER.format(number + 1)
        folder.mkdir(exist_ok=True)
        return FileLock(folder / LOCK_FILE, timeout=0)

    def _try(self, trial: Trial, *, resume: bool) -> Exception | None:
        """Run a trial to its end and record it; return what was wrong if it failed."""
        state, value, failure = TrialState.COMPLETE, None, None
        try:
            curve = _Curve(trial)
            fitted = self._fit(trial, curve, resume=resume)
            value = fitted.history["val_loss"][fitted.best_epoch - 1]
            trial.set_user_attr("accuracy", fitted.history["val_accuracy"][fitted.best_epoch - 1])
            trial.set_user_attr("epochs", len(fitted.history["val_loss"]))
            if curve.pruned:
                state, value = TrialState.PRUNED, None
        except DivergedError as error:
            # Not a failure: the study should learn to keep away from such settings.
            state = TrialState.PRUNED
            trial.set_user_attr("reason", str(error))
        except Exception as error:  # whatever it was, other settings may do better
            state, failure = TrialState.FAIL, error
            trial.set_user_attr("reason", f"{type(error).__name__}: {error}")
            logger.warning("Trial %d failed: %s", trial.number + 1, error)
        self.study.tell(trial, value, state=state)
        return failure

    def _fit(self, trial: Trial, curve: _Curve, *, resume: bool) -> FittedNetwork:
        config = chosen_settings(self.config, trial.params)
        folder = self.output / TRIAL_FOLDER.format(trial.number + 1)
        stages = plan_stages(config, folder)
        if not resume:
            forget_stages(stages)
        *before, last = stages
        try:
            for stage in before:
                run_stage(stage, self.dataset, resume=resume)
            fitted = run_stage(last, self.dataset, resume=resume, callbacks=[curve])
        except DataError as error:
            if isinstance(error.__cause__, KeyboardInterrupt):
                raise error.__cause__ from None
            raise
        if fitted.interrupted:
            raise KeyboardInterrupt
        return fitted

    def _tell_people(self, number: int) -> None:
        with study_lock(self.output):
            logger.info(progress_line(self.study, number, self.trials))
            write_search(self.study, self.output)
            best = best_trial(self.study)
            for trial in _ended(self.study):
                folder = self.output / TRIAL_FOLDER.format(trial.number + 1)
                if best is None or trial.number != best.number:
                    # Large, and nobody goes on from there.
                    shutil.rmtree(folder / CHECKPOINT_FOLDER, ignore_errors=True)
                    shutil.rmtree(folder / TEACHER_FOLDER, ignore_errors=True)


class _Curve(keras.callbacks.Callback):
    """Tells the study about every epoch, and stops a run whose curve is worse than most."""

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.trial = trial
        self.pruned = False

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Report the validation loss; Keras calls this."""
        if self.model is None or logs is None:
            return
        self.trial.report(logs["val_loss"], epoch)
        if self.trial.should_prune():
            self.pruned = self.model.stop_training = True


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
