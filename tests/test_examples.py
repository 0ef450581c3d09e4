"""The programs in examples/ do on two workers what they say."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest

from emotion import EmotionClassifier

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "examples"


@pytest.mark.long
@pytest.mark.parametrize("engine", ["datasets", "ray"])
def test_a_folder_is_mapped_by_two_workers(engine, tmp_path):
    pytest.importorskip(engine)
    pictures, output = tmp_path / "pictures", tmp_path / "faces.parquet"
    pictures.mkdir()
    for path in PICTURES.glob("*.jpg"):
        shutil.copy(path, pictures)
    command = [f"examples.map_{engine}", str(pictures), str(output), "--workers", "2"]
    environment = {
        "HF_HOME": str(tmp_path),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    }
    result = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    rows = pyarrow.parquet.read_table(output).to_pylist()

    classifier = EmotionClassifier.from_pretrained()
    expected = [
        (path.name, face.label or "", pytest.approx(face.confidence, abs=1e-3))
        for path in sorted(PICTURES.glob("*.jpg"))
        for face in classifier.predict(path)
    ]
    found = [(Path(row["file"]).name, row["label"], row["confidence"]) for row in rows]
    assert sorted(found, key=lambda face: face[0]) == expected
