"""Accuracy with trained weights: every table, printed and written to out/bench-accuracy.txt as it is done.

    python -m benchmarks.accuracy
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import dino, minilm, swin_fashion

OUT = Path("out/bench-accuracy.txt")
TABLES: tuple[Callable[[], Table], ...] = (
    lambda: minilm.table(40, None, 1, "fixed", 1000, 128),
    lambda: minilm.table(40, None, 2, "fixed", 1000, 128),
    lambda: minilm.table(16, None, 2, "fixed", 1000, 128),
    lambda: dino.table(500, 2000, 64),
    lambda: swin_fashion.table(2_000, 256),
)


def main() -> None:
    """More than an hour on two cores."""
    console = Console(record=True, width=120)
    OUT.parent.mkdir(exist_ok=True)
    for table in TABLES:
        console.print(table())
        OUT.write_text(console.export_text(clear=False), encoding="utf-8")


if __name__ == "__main__":
    main()
