"""Hooks of ``make docs``: one page of reference per public module, and equations as MathML, so that no script is loaded."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

PACKAGES = ("deploy", "evaluator", "processes", "converters", "targets")
ELSEWHERE = re.compile(r"worker|bundle|__main__|targets/tools|targets/chains/workers")  # programs that run elsewhere
MATH = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
ROOT = Path(__file__).parents[1]


def modules() -> list[str]:
    """Dotted names of all public modules, sorted."""
    paths = (path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    kept = (path for path in paths if not ELSEWHERE.search(path.as_posix()))
    names = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in kept}
    return sorted(name for name in names if not any(part.startswith("_") for part in name.split(".")))


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of reference, which no folder holds."""
    for name in modules():
        files.append(File.generated(config, f"reference/{name}.md", content=f"# {name}\n\n::: {name}\n"))
    rows = "\n".join(f"- [{name}]({name}.md)" for name in modules())
    files.append(File.generated(config, "reference/index.md", content=f"# Reference\n\n{rows}\n"))
    return files


def on_page_content(content: str, **_: Any) -> str:
    """Equations of a page, LaTeX before, as MathML."""

    def mathml(match: re.Match[str]) -> str:
        return convert(html.unescape(match[3]), display="block" if match[2] == "[" else "inline")

    return MATH.sub(mathml, content)
