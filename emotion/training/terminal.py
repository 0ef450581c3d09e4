"""What a run tells a person in the terminal: its progress by the log, and its figures at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emotion.model.logs import log_to_terminal
from emotion.report.card import training_command
from emotion.report.groups import groups_text
from emotion.report.markdown import percent
from emotion.report.report import Report

if TYPE_CHECKING:
    from emotion.training.search import Outcome

MOST_NAMED = 5  # settings that mattered

__all__ = ["log_to_terminal", "search_summary", "summary"]


def summary(report: Report | None) -> str:
    """Return the figures of a report that a person looks at first, as a few lines of text."""
    if report is None or report.accuracy.value is None or report.accuracy.interval is None:
        return "No face with a label was held out, so there is nothing to report."
    accuracy, calibration, not_sure = report.accuracy, report.calibration, report.not_sure
    low, high = report.accuracy.interval
    lines = [
        f"Accuracy {accuracy.value:.1%} (95 % interval {low:.1%} to {high:.1%}) on {accuracy.faces} faces "
        f"that nothing was chosen on ({report.data.report_split}).",
        f"Expected calibration error {calibration.expected_calibration_error_after:.3f} "
        f"({calibration.expected_calibration_error_before:.3f} before temperature scaling).",
    ]
    if not_sure.error_among_answered is not None:
        lines.append(
            f"Answers {not_sure.coverage:.0%} of the faces with a label, and is wrong on "
            f"{not_sure.error_among_answered:.1%} of those; on the others it says 'not sure'."
        )
    for label, figures in report.per_class.items():
        precision, recall = percent(figures.precision, "none"), percent(figures.recall, "none")
        lines.append(f"  {label}: precision {precision}, recall {recall} ({figures.support} faces)")
    for name, source in report.sources.items():
        answered, wrong = source.not_sure.coverage, source.not_sure.error_among_answered
        unsure = source.not_sure.background_not_sure
        lines.append(
            f"  On {name}: accuracy {percent(source.accuracy.value, 'none')} of {source.accuracy.faces}, "
            f"balanced {percent(source.balanced_accuracy, 'none')}; answers {percent(answered, 'none')}, "
            f"{percent(wrong, 'none')} of them wrong; not sure about "
            + (", ".join(f"{percent(share)} of {kind}" for kind, share in unsure.items()) or "nothing else")
        )
    return "\n\n".join(filter(None, ["\n".join(lines), groups_text(report.groups)]))


def search_summary(outcome: Outcome, output: str) -> str:
    """Return what a search found, as a few lines of text."""
    from emotion.training.search_report import PLOT_FILE, TABLE_FILE

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
