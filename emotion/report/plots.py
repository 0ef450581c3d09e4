"""A report drawn as PNG and SVG files. Nothing is measured here; which plots there are is in `report`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from PIL import Image

from emotion.predictions.display import emotion_colour, percent
from emotion.report.report import (
    PLOTS,
    PLOTS_FOLDER,
    REPORT_FILE,
    History,
    Report,
    RiskCoverage,
    RobustnessFigures,
)

DOTS_PER_INCH = 120
INK = "#222222"
QUIET = "#767676"
FAINT = "#e4e4e4"
BLUE = "#0072B2"
ORANGE = "#D55E00"
COLOURS = (BLUE, ORANGE, "#009E73", "#B25C93", "#7A7A00", QUIET)


def write_report(report: Report, folder: str | Path) -> None:
    """Write `report.json`, plots/*.png and plots/*.svg to a folder."""
    folder = Path(folder)
    text = json.dumps(report.to_dict(), indent=1, allow_nan=False)
    (folder / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
    write_plots(report, folder / PLOTS_FOLDER)


def write_plots(report: Report, folder: str | Path) -> list[Path]:
    """Draw what the report has figures for, as PNG and SVG; remove other plots, and return the PNG files."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, plot in PLOTS.items():
        path = folder / f"{name}.png"
        drawing = path.with_suffix(".svg")
        if not plot.has_figures(report):
            path.unlink(missing_ok=True)
            drawing.unlink(missing_ok=True)
            continue
        figure = DRAWN_BY[name](report)
        _save(figure, path)
        figure.set_layout_engine("none")  # it is laid out already, and that takes half of the time
        # Words stay words, and the same report gives the same file.
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
            figure.savefig(drawing, metadata={"Date": None})
        written.append(path)
    return written


def faces_sheet(
    faces: Sequence[np.ndarray], captions: Sequence[str], path: str | Path, *, title: str
) -> Path | None:
    """Draw faces, uint8 (size, size, 1), with a caption each: for looking at, never for publishing.

    Return the PNG file; without faces, remove an older one and return None.
    """
    path = Path(path)
    if not len(faces):
        path.unlink(missing_ok=True)
        return None
    columns = min(8, len(faces))
    rows = -(-len(faces) // columns)
    lines = max(caption.count("\n") + 1 for caption in captions)
    title_lines = title.count("\n") + 1
    figure = _figure(1.15 * columns, (1.25 + 0.15 * lines) * rows + 0.3 + 0.2 * title_lines)
    figure.suptitle(title.replace("$", r"\$"), fontsize=10, color=INK)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, face, caption in zip(grid.flat, faces, captions, strict=False):
        axes.imshow(face[..., 0], cmap="gray", vmin=0, vmax=255)
        axes.set_title(caption.replace("$", r"\$"), fontsize=7, color=INK)
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(figure, path)
    return path


def training(report: Report) -> Figure:
    """Draw loss and accuracy of every epoch."""
    history = asdict(report.history or History())
    panels = [key for key in ("loss", "accuracy") if history[key] or history[f"val_{key}"]]
    figure = _figure(4.2 * len(panels), 3.6)
    for axes, key in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name, curve, colour in (
            ("training, on changed faces, all outputs", key, QUIET),
            ("the same without the penalty on the weights", f"data_{key}", ORANGE),
            ("validation, labels only", f"val_{key}", BLUE),
        ):
            if values := history.get(curve):
                marker = "o" if len(values) == 1 else None
                axes.plot(range(1, len(values) + 1), values, color=colour, label=name, marker=marker)
        _dress(axes, key.capitalize(), x="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if key == "accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.legend(frameon=False, fontsize=9)
    return figure


def confusion_matrix(report: Report) -> Figure:
    """Draw what was answered for each true label: counts, coloured by their share of the row."""
    labels, counts = report.confusion_matrix.labels, np.array(report.confusion_matrix.counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.6 + 0.8 * len(labels)
    figure = _figure(side + 0.3, side)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.55 else INK
        axes.text(
            column, row, percent(shares[row, column]), ha="center", va="bottom", color=colour, fontsize=12
        )
        axes.text(column, row, f"\n{count}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels)
    _dress(axes, "Confusion matrix", x="answered", y="true label")
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def roc(report: Report) -> Figure:
    """Draw each label against the rest."""
    figure = _figure(4.8, 4.6)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=":", label="guessing, AUC 0.500")
    for label, curve in report.roc.items():
        across, up = curve.false_positive_rate, curve.true_positive_rate
        if curve.auc is None or across is None or up is None:
            continue
        axes.plot(across, up, color=emotion_colour(label), label=f"{label}, AUC {curve.auc:.3f}")
    _dress(axes, "ROC, one label against the rest", x="false positive rate", y="true positive rate")
    axes.set_aspect("equal")
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    return figure


def calibration(report: Report) -> Figure:
    """Draw how often answers are right by how sure they are, before and after temperature scaling."""
    figures = report.calibration
    figure = _figure(4.8, 5.2)
    curves, amounts = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    curves.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=":", label="perfectly calibrated")
    before = figures.bins_before, figures.expected_calibration_error_before
    after = figures.bins, figures.expected_calibration_error_after
    for (bins, error), when, colour, style in ((before, "before", ORANGE, "--"), (after, "after", BLUE, "-")):
        name = f"{when} temperature scaling" + ("" if error is None else f", ECE {error:.3f}")
        confidence, accuracy = [row.confidence for row in bins], [row.accuracy for row in bins]
        curves.plot(confidence, accuracy, color=colour, linestyle=style, marker="o", markersize=4, label=name)
    heights = [row.faces for row in figures.bins]
    amounts.bar([row.confidence for row in figures.bins], heights, width=0.03, color=BLUE)
    lowest = min(row.confidence for row in (*figures.bins_before, *figures.bins))
    curves.set_xlim(max(0, lowest - 0.05), 1.02)
    _dress(curves, "Calibration: is 80% sure right 80% of the time?", y="accuracy")
    _dress(amounts, "", x="probability of the answer", y="faces")
    curves.yaxis.set_major_formatter(PercentFormatter(1))
    amounts.xaxis.set_major_formatter(PercentFormatter(1))
    curves.legend(frameon=False, fontsize=9, loc="lower right")
    return figure


def risk_coverage(report: Report) -> Figure:
    """Draw wrong answers against faces answered, for every threshold; the chosen one is marked."""
    figures = report.not_sure
    curve = figures.risk_coverage or RiskCoverage()
    figure = _figure(5.2, 4.0)
    axes = figure.subplots()
    axes.plot(curve.coverage, curve.risk, color=BLUE)
    answered, wrong = figures.coverage, figures.error_among_answered
    if answered is not None and wrong is not None and figures.threshold is not None:
        axes.plot(answered, wrong, marker="o", color=ORANGE, markersize=8)
        left = answered > 0.6  # where the words have room beside the curve
        axes.annotate(
            f"threshold {figures.threshold:.3f}:\n"
            f"{percent(answered)} answered, {percent(wrong)} of them wrong",
            (answered, wrong),
            xytext=(-12, 14) if left else (12, -24),
            textcoords="offset points",
            ha="right" if left else "left",
            color=ORANGE,
        )
    _dress_risk_coverage(axes, "Answering less, erring less", worst=max(curve.risk, default=0))
    return figure


def draw_risk_coverage(reports: Mapping[str, Report], path: str | Path) -> None:
    """Draw wrong answers against faces answered for several models; dots are their own thresholds."""
    figure = _figure(6.4, 4.4 + 0.2 * len(reports))
    axes = figure.subplots()
    worst = 0.0
    for index, (name, report) in enumerate(reports.items()):
        colour, figures = COLOURS[index % len(COLOURS)], report.not_sure
        curve = figures.risk_coverage or RiskCoverage()
        worst = max(worst, *curve.risk, 0)
        axes.plot(curve.coverage, curve.risk, color=colour, label=name.replace("$", r"\$"))
        if figures.coverage is not None and figures.error_among_answered is not None:
            axes.plot(
                figures.coverage, figures.error_among_answered, marker="o", color=colour, linestyle="none"
            )
    _dress_risk_coverage(axes, "Answering less, erring less; dots: own thresholds", worst=worst)
    figure.legend(frameon=False, fontsize=9, loc="outside lower left")
    figure.savefig(path)


def robustness(report: Report) -> Figure:
    """Draw the accuracy under every kind of damage, best first."""
    figures = report.robustness or RobustnessFigures()
    clean = figures.clean or 0.0
    conditions = sorted(figures.conditions.items(), key=lambda item: item[1])
    names, values = zip(*conditions, strict=True)
    figure = _figure(6.0, 1.4 + 0.27 * len(names))
    axes = figure.subplots()
    bars = axes.barh(names, values, color=BLUE, height=0.62)
    axes.bar_label(bars, [percent(value) for value in values], padding=-38, color="white", fontsize=9)
    axes.plot([clean, clean], [-0.6, len(names) - 0.5], color=INK, linewidth=1, linestyle=":")
    axes.text(clean, len(names) - 0.4, f"clean {percent(clean)}", ha="center", color=INK, fontsize=9)
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.6, len(names) + 0.2)
    _dress(axes, "Accuracy on damaged faces")
    axes.grid(False, axis="y")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    return figure


DRAWN_BY: dict[str, Callable[[Report], Figure]] = {
    "training": training,
    "confusion_matrix": confusion_matrix,
    "roc": roc,
    "calibration": calibration,
    "risk_coverage": risk_coverage,
    "robustness": robustness,
}


def _figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches, outside matplotlib's global state."""
    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained", facecolor="white")


def _save(figure: Figure, path: Path) -> None:
    """Write a PNG of 64 colours: enough for flat plots, and a smaller file."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    Image.fromarray(pixels).quantize(64, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)


def _dress_risk_coverage(axes: Axes, title: str, *, worst: float) -> None:
    axes.set_xlim(0, 1.02)
    axes.set_ylim(bottom=0, top=1.25 * max(worst, 0.02))
    _dress(axes, title, x="faces answered", y="wrong among the answered")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_locator(MaxNLocator(steps=(1, 2, 5, 10)))  # steps of 2.5 % would be rounded unevenly
    axes.yaxis.set_major_formatter(lambda share, _: f"{share * 100:g}%")


def _dress(axes: Axes, title: str, *, x: str = "", y: str = "") -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK)
    axes.set_xlabel(x, color=QUIET)
    axes.set_ylabel(y, color=QUIET)
    axes.tick_params(colors=INK, labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.grid(True, color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
