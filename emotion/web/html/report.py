"""What is known about a model: its figures, plots, limits and card."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

from emotion.predictions.display import NOT_SURE, alternatives, percent
from emotion.report.groups import gaps_in_words
from emotion.report.report import FIGURES, PLOTS, PLOTS_FOLDER
from emotion.web.html.answer import label

if TYPE_CHECKING:
    from emotion.model.classifier import EmotionClassifier
    from emotion.report.groups import GroupColumn
    from emotion.report.metrics import Interval
    from emotion.report.report import ConfusionMatrix, Report

# Figures of the report that the page shows, with their name there and what they mean.
SHOWN = (
    ("found_and_right", "Found and right", "of the pictures: a face was found and named right"),
    ("macro_f1", "Macro F1", "the mean over the emotions"),
    ("answered", "Answers given", "for the other faces it says “not sure”"),
    ("wrong_among_answered", "Wrong among the answers", "lower is better"),
    ("calibration_error", "Calibration error", "how far “80% sure” is off"),
)
# Plots of the report that the page shows, with how to read them.
READ = {
    "calibration": "On the diagonal, “80% sure” is right 80% of the time; below it, the model is too sure.",
    "roc": "Across: faces of other emotions that are taken for this one. Up: its own faces that are found.",
    "training": "Training faces are changed at random, so training looks worse than validation.",
}
LARGEST_PLOT = 500_000  # bytes
# Characters: rendering them takes less than a second, hostile ones too. The embedded model's card has 11,000.
LONGEST_CARD = 40_000
CARD_TAGS = set(
    "h1 h2 h3 h4 h5 h6 p br hr ul ol li blockquote pre code a em strong del "
    "table thead tbody tr th td details summary".split()
)


def model_card(card: str | None) -> str:
    """Return a model card, which a stranger may have written, as HTML without pictures and scripts.

    A picture would tell another machine who looks at the page.
    """
    if not card:
        return "<p>This model came without a card.</p>"
    # The metadata block is between two lines of dashes.
    text = card.partition("\n---\n")[2] if card.startswith("---\n") else card
    markdown = MarkdownIt("commonmark").enable("table")
    markdown.add_render_rule("image", _described)
    rest = "\n\n(This card is longer; the Hub shows all of it.)" if len(text) > LONGEST_CARD else ""
    return nh3.clean(
        markdown.render(text[:LONGEST_CARD] + rest),
        tags=CARD_TAGS,
        attributes={"a": {"href"}},
        attribute_filter=_outward,
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _described(_renderer: object, tokens: Sequence[Token], index: int, *_: object) -> str:
    """Return the words for a picture in the place of it."""
    return escape(tokens[index].content)


def _outward(_tag: str, name: str, value: str) -> str | None:
    """Keep an attribute, except for a link that would lead into this app."""
    return value if name != "href" or value.startswith(("https:", "http:", "mailto:")) else None


def model_summary(classifier: EmotionClassifier) -> str:
    """Return what the report says about a model."""
    report = classifier.report
    if report is None:
        return _no_report("This model came without a report.")
    # Strangers write it.
    if not report.has_figures:
        return _no_report("The report of this model cannot be read.")
    parts = [
        _figures(report),
        _confusion(report.confusion_matrix),
        _per_class(report),
        _groups(report.groups),
        _plots(classifier),
        _limits(classifier, report.data.source),
    ]
    return f'<div class="em-report">{"".join(parts)}</div>'


def _no_report(what: str) -> str:
    return f'<div class="em-hint"><b>{what}</b><p>Its accuracy is unknown.</p></div>'


def _figures(report: Report) -> str:
    interval, faces = report.accuracy.interval, report.accuracy.faces
    notes = [f"95% interval {interval[0]:.1%} to {interval[1]:.1%}"] if interval else []
    notes += [f"guessing reaches {report.guessing:.1%}"] if report.guessing is not None else []
    between = "; ".join(notes)
    rows = [("accuracy", "Accuracy", between), *SHOWN]
    values = [(FIGURES[key].read(report), name, note) for key, name, note in rows]
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{value:.1%}<small>{note}</small></dd></div>"
        for value, name, note in values
        if value is not None
    )
    measured = f"<p>Measured on {faces:,} faces that were not used for training.</p>" if faces else ""
    warnings = "".join(f'<p class="em-hint"><b>{escape(warning)}</b></p>' for warning in report.warnings)
    return (
        f'<section><h3>How good is it?</h3>{warnings}<dl class="em-figures">{cells}</dl>{measured}</section>'
    )


def _confusion(matrix: ConfusionMatrix) -> str:
    if not matrix.faces:
        return ""
    head = "".join(f'<th scope="col">{label(name)}</th>' for name in matrix.labels)
    body = ""
    for name, row in zip(matrix.labels, matrix.counts, strict=True):
        total = max(sum(row), 1)
        cells = "".join(
            f'<td style="--share: {faces / total:.0%}">'
            f"<b>{faces / total:.0%}</b><small>{faces:,}</small></td>"
            for faces in row
        )
        body += f'<tr><th scope="row">{label(name)}</th>{cells}</tr>'
    return f"""
<section><h3>What does it mix up?</h3><div class="em-scroll"><table class="em-matrix">
<caption>Each row is what the face was labelled, each column what the model answered.</caption>
<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"""


def _per_class(report: Report) -> str:
    rows = ""
    for name, figures in report.per_class.items():
        curve = report.roc.get(name)
        cells = "".join(
            f"<td>{percent(value)}</td>" for value in (figures.precision, figures.recall, figures.f1)
        )
        area = f"{curve.auc:.3f}" if curve and curve.auc is not None else "–"
        rows += (
            f'<tr><th scope="row">{label(name)}</th>{cells}<td>{area}</td><td>{figures.support:,}</td></tr>'
        )
    if not rows:
        return ""
    return f"""
<section><h3>Emotion by emotion</h3><div class="em-scroll"><table class="em-table">
<thead><tr><td></td><th scope="col">Precision</th><th scope="col">Recall</th><th scope="col">F1</th>
<th scope="col">ROC area</th><th scope="col">Faces</th></tr></thead><tbody>{rows}</tbody></table></div>
</section>"""


def _plots(classifier: EmotionClassifier) -> str:
    """Return the plots that lie beside the report; a visitor's model is pulled without them."""
    if classifier.folder is None:
        return ""
    shown = ""
    for name, how_to_read in READ.items():
        file = classifier.folder / PLOTS_FOLDER / f"{name}.png"
        if file.is_file() and file.stat().st_size <= LARGEST_PLOT:
            source = base64.b64encode(file.read_bytes()).decode()
            shown += f"""<section><h3>{PLOTS[name].title}</h3><figure class="em-plot">
<img src="data:image/png;base64,{source}" alt="{PLOTS[name].title}" loading="lazy">
<figcaption>{how_to_read}</figcaption></figure></section>"""
    return shown


def _groups(groups: dict[str, GroupColumn]) -> str:
    if not groups:
        return """
<section><h3>Is it fair?</h3><p>Not measured: the test data does not say which groups of people the faces
belong to. The model may be worse for some groups than for others.</p></section>"""
    tables = "".join(_group_table(name, column) for name, column in groups.items())
    return f"""
<section><h3>Is it fair?</h3><p>How well it does for each group, with 95% intervals. A gap with p below 0.05
is unlikely to be chance; p is corrected for the number of gaps.</p>{tables}</section>"""


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
<li>It is worse on photos unlike its training data: faces from the side or covered, drawings, very dark
scenes.</li>
<li>Do not use it for decisions about people, such as hiring, school, policing, medicine or insurance.</li>
</ul></section>"""
