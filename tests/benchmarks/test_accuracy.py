"""The benchmark's own arithmetic: proportions, the table."""

from benchmarks import accuracy
from emotion.report.report import RobustnessFigures
from tests.report.synthetic import report_of


def test_benchmark_table_shows_what_was_measured_and_why_a_peer_is_missing():
    robustness = RobustnessFigures(9, 0.9, {"noise": 0.8}, 0.8)
    report = report_of(robustness=robustness)
    proportion = accuracy.proportion(90, 100)
    peer = dict.fromkeys(("reported", "all", "agreed", "agreed_all"), accuracy.proportion(3, 4))
    figures = {
        "same_data_as_training": True,
        "report": report.to_dict(),
        "this_model": {
            "reported": proportion,
            "agreed": proportion,
            "seconds_per_face": 0.002,
            "bytes": 2**20,
        },
        "peers": {
            "fer": {**peer, "expected_calibration_error": 0.12, "seconds_per_face": 0.001},
            "face-api.js": {"error": "npm is not installed."},
        },
    }
    text = accuracy.render(figures)
    assert "| 90.0% (82.6–94.5) | 75.0% (30.1–95.4) |" in text
    assert "1.00 ms (0.5×)" in text
    assert "| 1.00 MiB | – |" in text
    assert "| noise | 80.0% |" in text
    assert text.endswith("face-api.js: npm is not installed.")
    assert "Note" not in text
    assert "fer" not in accuracy.render({**figures, "peers": {}, "same_data_as_training": False})
    assert accuracy.pooled([proportion, accuracy.proportion(0, 0)]) == proportion
