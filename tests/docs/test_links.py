"""README and docs lead where they say: links, anchors, and the files and modules that are named in backticks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = ("deploy", "evaluator", "processes", "converters", "targets", "benchmarks", "examples", "tests", "docs")
FENCED = re.compile(r"^(```).*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED = re.compile(rf"`((?:{'|'.join(PACKAGES)})(?:/[\w./*-]*)?|(?:{'|'.join(PACKAGES)})(?:\.\w+)+)`")


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub forms them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path, text: str) -> list[str]:
    """Relative links of a page's text that lead to no file, or to no heading of it."""
    found = []
    for link in LINK.findall(FENCED.sub("", text)):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


def missing_names(text: str) -> list[str]:
    """Paths and dotted names of this repository in backticks that do not exist."""
    return [name for name in NAMED.findall(FENCED.sub("", text)) if not exists(name)]


def exists(name: str) -> bool:
    """Whether a path (with wildcards) is there, or a module, or a module that defines what is named."""
    if "." not in name or "/" in name:
        return any(ROOT.glob(name.rstrip("/")))
    parts = name.split(".")
    for used in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:used])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.exists():
                rest = parts[used:]
                return not rest or re.search(rf"\b{rest[0]}\b", file.read_text(encoding="utf-8")) is not None
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert broken_links(page, text) == []
    assert missing_names(text) == []


def test_what_does_not_exist_is_found() -> None:
    page = ROOT / "docs" / "index.md"
    wrong = "[a](nowhere.md) [b](design.md#no-such-heading) [c](design.md#woss-softmax) [d](https://example.org)"
    assert broken_links(page, wrong) == ["nowhere.md", "design.md#no-such-heading"]
    wrong = (
        "`processes/no_such` `targets.closed_form.ClosedForm` `evaluator.closed_form.ClosedForm` `processes/chips.py`"
    )
    assert missing_names(wrong) == ["processes/no_such", "targets.closed_form.ClosedForm"]


def test_docstrings_cite_sections_that_exist() -> None:
    sections = set(re.findall(r"^## (.+)$", (ROOT / "docs" / "design.md").read_text(encoding="utf-8"), re.MULTILINE))
    cited = []
    for package in PACKAGES[:5]:
        for path in (ROOT / package).rglob("*.py"):
            cited += re.findall(
                r"docs/design\.md, ([A-Z][\w -]+?)(?: and [A-Z][\w -]+)?[):]", path.read_text(encoding="utf-8")
            )
    assert len(cited) >= 9 and set(cited) <= sections
