"""Notebooks of the examples and of two tutorials, made from their one source: `python examples/notebooks.py` writes them all.

They hold no outputs: what they print and draw is made by running them. Tests run the sources, and compare the notebooks with
what this makes of them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "notebooks"
SOURCES = {
    "timm_model": "docs/tutorials/timm.md",
    "bert_against_int8": "docs/tutorials/bert.md",
    "phase_neurons": "examples/lava_by_hand.py",
    "attention_by_hand": "examples/lava_attention.py",
    "snntorch_onto_loihi": "examples/snntorch_to_loihi.py",
}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def of_page(text: str) -> list[tuple[str, str]]:
    """(kind, text) of the cells of a page: its prose, its Python, and its commands, which stop the notebook if they fail."""
    text = re.sub(r"\]\((?!https?:|#)([^)]*)\)", lambda m: f"]({_moved(m[1])})", text)
    cells, after = [], 0
    for block in BLOCK.finditer(text):
        cells += [
            ("markdown", text[after : block.start()]),
            ("code", ("%%sh\n" if block[1] == "sh" else "") + block[2]),
        ]
        after = block.end()
    return [*cells, ("markdown", text[after:])]


def _moved(link: str) -> str:
    """A link of docs/tutorials, as seen from the notebooks' folder."""
    return f"../../docs/{link[3:]}" if link.startswith("../") else f"../../docs/tutorials/{link}"


def of_script(text: str) -> list[tuple[str, str]]:
    """(kind, text) of the cells of a script whose cells begin with `# %%`, behind which a heading may stand."""
    cells = []
    for part in re.split(r"^# %%", text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        if heading.strip() == "[markdown]":
            cells.append(("markdown", re.sub(r"^# ?", "", body, flags=re.MULTILINE)))
            continue
        if heading.strip():
            cells.append(("markdown", f"### {heading.strip()}"))
        cells.append(("code", body))
    return cells


def notebook(source: Path) -> dict[str, Any]:
    """The notebook of a page or a script, in the format that Jupyter writes."""
    text = source.read_text(encoding="utf-8")
    cells = of_page(text) if source.suffix == ".md" else of_script(text)
    written = [
        {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": content.strip().splitlines(keepends=True)}
        | ({"execution_count": None, "outputs": []} if kind == "code" else {})
        for number, (kind, content) in enumerate(cells)
        if content.strip()
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": written, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def text_of(source: Path) -> str:
    """The file's text."""
    return json.dumps(notebook(source), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, source in SOURCES.items():
        (FOLDER / f"{name}.ipynb").write_text(text_of(ROOT / source), encoding="utf-8")
