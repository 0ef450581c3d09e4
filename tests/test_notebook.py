"""The notebook runs from its first cell to the published model, as in Colab, on a few drawn faces."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import SMALL_RUN
from tests.drawn_faces import write_data_set

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples/train.ipynb"


def test_from_the_first_cell_to_the_published_model(hub, tmp_path, monkeypatch):
    hub.sign_in()
    data = write_data_set(tmp_path / "faces", train=12, validation=8, emotions=("angry", "happy", "sad"))
    settings = SMALL_RUN | {"epochs": 1, "blocks": (1,)}
    options = [
        word
        for name, value in settings.items()
        for word in (
            "--" + name.replace("_", "-"),
            *map(str, value if isinstance(value, tuple) else (value,)),
        )
    ]
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (parameters,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    parameters.source += f"\nDATA, SETTINGS = {str(data)!r}, {options!r}"
    for cell in notebook.cells:  # one epoch on a few faces may be no better than guessing
        cell.source = cell.source.replace('"--push"', '"--push", "--publish-anyway"')
    # The kernel is a process of its own: it finds the program and the Hub by its environment.
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)

    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()

    printed = "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream"
    )
    assert f"Published: {hub.url}/user/facial-emotion\n" in printed
    assert {"model.tflite", "README.md", "report.json"} < hub.files("user/facial-emotion").keys()
    plots = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "display_data" and "image/png" in output.data
    ]
    assert len(plots) == 3


def test_the_notebook_is_kept_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]
