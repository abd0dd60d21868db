"""The example notebooks run from the first cell to the last."""

from __future__ import annotations

import json

import nbformat
import pytest
from lab import ROOT, Lab
from nbclient import NotebookClient

EXAMPLES = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
NAMES = {"hello", "interaction", "drawing", "push", "video", "performance", "two_views", "snapshot"}


def test_there_is_an_example_of_each_kind() -> None:
    assert {path.stem for path in EXAMPLES} == NAMES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_shows_a_picture(path, lab: Lab) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in notebook.cells)
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute(cwd=str(lab.folder), env=lab.environment)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert "data:image/png;base64," in json.dumps(outputs)
