"""The notebooks are what their sources make, and Jupyter's format; those of scripts run where nbclient is installed."""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MADE = runpy.run_path(str(ROOT / "examples" / "notebooks.py"))
SOURCES: dict[str, str] = MADE["SOURCES"]
FOLDER: Path = MADE["FOLDER"]


def written(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SOURCES)
def test_a_notebook_is_what_its_source_makes(name: str) -> None:
    assert written(name) == MADE["notebook"](ROOT / SOURCES[name]), "run `python examples/notebooks.py`"
    code = "\n".join("".join(cell["source"]) for cell in written(name)["cells"] if cell["cell_type"] == "code")
    for line in filter(None, map(str.strip, code.splitlines())):
        assert line == "%%sh" or line in (ROOT / SOURCES[name]).read_text(encoding="utf-8")


def test_every_notebook_has_a_source_and_a_place_in_the_list_of_tutorials() -> None:
    listed = (ROOT / "docs" / "tutorials" / "README.md").read_text(encoding="utf-8")
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(SOURCES)
    assert all(f"notebooks/{name}.ipynb" in listed for name in SOURCES)


def test_cells_of_a_page_keep_its_order_and_its_links() -> None:
    page = (
        "# Title\n\nSee [all](../results.md), [one](nir.md), [it](https://x.org/a).\n\n"
        "```python\nx = 1\n```\n\n```sh\ndeploy a\n```\nEnd.\n"
    )
    cells = [(kind, text.strip()) for kind, text in MADE["of_page"](page) if text.strip()]
    assert [kind for kind, _ in cells] == ["markdown", "code", "code", "markdown"]
    assert "(../../docs/results.md)" in cells[0][1] and "(../../docs/tutorials/nir.md)" in cells[0][1]
    assert "(https://x.org/a)" in cells[0][1] and cells[2][1] == "%%sh\ndeploy a"


def test_links_of_notebooks_lead_somewhere() -> None:
    for name in SOURCES:
        text = "".join("".join(cell["source"]) for cell in written(name)["cells"] if cell["cell_type"] == "markdown")
        for link in MADE["re"].findall(r"\]\((?!https?:|#)([^)#]*)", text):
            assert (FOLDER / link).exists(), f"{name}: {link}"


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.endswith(".py")])
def test_a_notebook_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("snntorch" if "snntorch" in name else "lava")
    paths = [str(ROOT), *filter(None, sys.path)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    nb = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(nb)
    nbclient.NotebookClient(nb, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = "".join(output.get("text", "") for cell in nb.cells for output in cell.get("outputs", ()))
    assert "closed form" in said or "Loihi's integers: " in said
