"""What a run tells a person in the terminal: its progress by the log, and its figures at the end."""

from emotion.model.logs import log_to_terminal
from emotion.report.group_text import groups_text
from emotion.report.markdown import percent
from emotion.report.report import Report

__all__ = ["log_to_terminal", "summary"]


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
