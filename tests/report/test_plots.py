"""Plots are small pictures that show something, and only what the report has figures for."""

from PIL import Image

from emotion.report import plots
from emotion.report.report import PLOTS, RobustnessFigures
from tests.report.synthetic import report_of


def test_plots_are_small_pictures_that_show_something(tmp_path):
    robustness = RobustnessFigures(9, 0.9, {f"damage {k}": 0.8 for k in range(12)}, 0.8)
    history = {
        "loss": [1.0, 0.6],
        "data_loss": [0.9, 0.5],
        "accuracy": [0.5, 0.7],
        "val_loss": [1.1, 0.9],
        "val_accuracy": [0.4, 0.6],
    }
    written = plots.write_plots(report_of(robustness=robustness, history=history), tmp_path / "plots")
    assert [path.stem for path in written] == list(PLOTS)
    for path in written:
        assert path.stat().st_size < 60_000
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 300
            assert len(picture.convert("RGB").getcolors()) > 10
    drawn = {path.stem: path.with_suffix(".svg").read_text() for path in written}
    assert all(len(text) < 200_000 for text in drawn.values())
    assert "without the penalty on the weights" in drawn["training"]
    assert "clean 90.0%" in drawn["robustness"]


def test_plots_without_figures_are_not_drawn_and_old_ones_go(tmp_path):
    for ending in ("png", "svg"):
        (tmp_path / f"robustness.{ending}").write_bytes(b"of an earlier run")
    (tmp_path / "mine.png").write_bytes(b"not ours")
    written = plots.write_plots(report_of(), tmp_path)
    assert {path.stem for path in written} == {"confusion_matrix", "roc", "calibration", "risk_coverage"}
    assert not list(tmp_path.glob("robustness.*"))
    assert (tmp_path / "mine.png").exists()
