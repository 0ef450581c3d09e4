"""What the report says about a model: figures, confusion matrix, curves and limits."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from emotion.predictions.display import NOT_SURE, alternatives, percent
from emotion.report.groups import gaps_in_words
from emotion.report.report import FIGURES
from emotion.web.html import curves

if TYPE_CHECKING:
    from emotion.model.classifier import EmotionClassifier
    from emotion.report.groups import GroupColumn
    from emotion.report.metrics import Interval
    from emotion.report.report import ClassFigures, ConfusionMatrix, Report

# Figures of the report that the page shows, with their name there and what they mean.
SHOWN = (
    ("macro_f1", "Macro F1", "the mean over the emotions"),
    ("answered", "Answers given", "for the other faces it says “not sure”"),
    ("wrong_among_answered", "Wrong among the answers", "lower is better"),
    ("calibration_error", "Calibration error", "how far “80% sure” is off"),
)


def model_summary(classifier: EmotionClassifier) -> str:
    """Return what the report says about a model: figures, confusion matrix, curves and limits."""
    report = classifier.report
    if report is None:
        return _no_report("This model came without a report.")
    # Strangers write it.
    if not report.has_figures:
        return _no_report("The report of this model cannot be read.")
    parts = [
        _figures(report),
        _confusion(report.confusion_matrix),
        curves.calibration(report.calibration.bins),
        curves.roc(report.roc),
        _per_class(report.per_class),
        _groups(report.groups),
        _limits(classifier, report.data.source),
        curves.training(report.history),
    ]
    return f'<div class="em-report">{"".join(parts)}</div>'


def _no_report(what: str) -> str:
    return f'<div class="em-hint"><b>{what}</b><p>Its accuracy is unknown.</p></div>'


def _figures(report: Report) -> str:
    interval, faces = report.accuracy.interval, report.accuracy.faces
    between = f"95% interval {interval[0]:.1%} to {interval[1]:.1%}" if interval else ""
    rows = [("accuracy", "Accuracy", between), *SHOWN]
    values = [(FIGURES[key].read(report), name, note) for key, name, note in rows]
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{value:.1%}</dd><small>{note}</small></div>"
        for value, name, note in values
        if value is not None
    )
    measured = f"<p>Measured on {faces:,} faces that were not used for training.</p>" if faces else ""
    return f'<section><h3>How good is it?</h3><dl class="em-figures">{cells}</dl>{measured}</section>'


def _confusion(matrix: ConfusionMatrix) -> str:
    if not matrix.faces:
        return ""
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in matrix.labels)
    body = ""
    for label, row in zip(matrix.labels, matrix.counts, strict=True):
        total = max(sum(row), 1)
        cells = "".join(
            f'<td style="--share: {faces / total:.0%}">'
            f"<b>{faces / total:.0%}</b><small>{faces:,}</small></td>"
            for faces in row
        )
        body += f'<tr><th scope="row">{escape(label)}</th>{cells}</tr>'
    return f"""
<section><h3>What does it mix up?</h3><div class="em-scroll"><table class="em-matrix">
<caption>Each row is what the face was labelled, each column what the model answered.</caption>
<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"""


def _per_class(per_class: dict[str, ClassFigures]) -> str:
    rows = ""
    for label, figures in per_class.items():
        cells = "".join(
            f"<td>{percent(value)}</td>" for value in (figures.precision, figures.recall, figures.f1)
        )
        rows += f'<tr><th scope="row">{escape(label)}</th>{cells}<td>{figures.support:,}</td></tr>'
    if not rows:
        return ""
    return f"""
<section><h3>Emotion by emotion</h3><div class="em-scroll"><table class="em-table">
<thead><tr><td></td><th scope="col">Precision</th><th scope="col">Recall</th><th scope="col">F1</th>
<th scope="col">Faces</th></tr></thead><tbody>{rows}</tbody></table></div></section>"""


def _groups(groups: dict[str, GroupColumn]) -> str:
    if not groups:
        return """
<section><h3>Is it fair?</h3><p>Not measured: nobody said which groups of people the faces belong to. It may
be worse for some than for others.</p></section>"""
    tables = "".join(_group_table(name, column) for name, column in groups.items())
    return f"""
<section><h3>Is it fair?</h3><p>How well it does for each group, with 95% intervals. A gap is unlikely to be
chance where p is below 0.05; p allows for how many gaps were looked at.</p>{tables}</section>"""


def _group_table(name: str, column: GroupColumn) -> str:
    rows = ""
    for group, figures in column.groups.items():
        cells = "".join(
            f"<td>{percent(value)}<small>{_between(interval)}</small></td>"
            for value, interval in (
                (figures.accuracy, figures.accuracy_interval),
                (figures.not_sure, figures.not_sure_interval),
                (figures.calibration_error, figures.calibration_error_interval),
            )
        )
        rows += f'<tr><th scope="row">{escape(group)}</th>{cells}<td>{figures.faces:,}</td></tr>'
    table = f"""<div class="em-scroll"><table class="em-table">
<thead><tr><th scope="col">{escape(name)}</th><th scope="col">Accuracy</th><th scope="col">“Not sure”</th>
<th scope="col">Calibration error</th><th scope="col">Faces</th></tr></thead><tbody>{rows}</tbody>
</table></div>"""
    lines = "".join(f"<li>{escape(line)}</li>" for line in gaps_in_words(name, column))
    return f"{table if rows else ''}<ul>{lines}</ul>"


def _between(interval: Interval | None) -> str:
    return f" {interval[0]:.1%} to {interval[1]:.1%}" if interval else ""


def _limits(classifier: EmotionClassifier, source: str | None) -> str:
    data = f" It was measured on {escape(source)}." if source else ""
    return f"""
<section><h3>Limits</h3><ul>
<li>It knows {escape(alternatives(classifier.labels))}, and says “{NOT_SURE}” below a confidence of
{classifier.threshold:.0%}.{data}</li>
<li>It judges what a face <em>looks</em> like in one picture, not what a person feels.</li>
<li>Photos unlike its training data (sideways or covered faces, drawings, very dark scenes) make it
worse.</li>
<li>Do not use it to decide about people: not for hiring, schools, policing, medicine or insurance.</li>
</ul></section>"""
