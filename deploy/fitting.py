"""`deploy fit`: fits the tables T, h, d of SI-exp neurons (SIT-conversion), shows their errors and saves them."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table as Grid

from deploy.errors import DeployError
from deploy.progress import Progress
from processes.si_exp.fit import fit
from processes.si_exp.table import Table, read_tables, write_tables


def fit_table(function: str, steps: int, low: float, high: float, seed: int, progress: Progress | None = None) -> Table:
    """Fit a table to ``function`` on [low, high] in K = ``steps`` steps (:func:`processes.si_exp.fit.fit`)."""
    progress, done = progress or Progress(), 0
    with progress.stage(f"fit {function}", len(range(1, max(2, steps - 1), 2)) + 1) as advance:

        def report(now: int, total: int) -> None:
            nonlocal done
            advance(now - done)
            done = now

        return fit(function, steps, low, high, seed, progress=report)


def fitted_summary(table: Table) -> Grid:
    """A table's T, h and d by step, and its errors on 10,000 random points that the fit has not seen."""
    errors = table.errors()
    what = f"{table.function} on [{table.low:g}, {table.high:g}] in {table.steps} steps, seed {table.seed}"
    found = f"on 10,000 random points RMSE {errors['rmse']:.3g}, largest error {errors['max']:.3g}"
    grid = Grid(title=f"{what}: {found}", title_justify="left")
    for heading in ("t", "T, threshold", "h, reset", "d, output"):
        grid.add_column(heading, justify="right")
    for t, row in enumerate(zip(table.threshold, table.reset, table.output, strict=True), 1):
        grid.add_row(str(t), *(f"{value:.6f}" for value in row))
    return grid


def save_table(table: Table, path: Path) -> None:
    """Add ``table`` to a file of tables; it replaces one of the same function, range and K.

    Raises:
        DeployError: the file cannot be written, or is not a file of tables.
    """
    try:
        kept = [t for t in read_tables(path) if _key(t) != _key(table)]
        write_tables([*kept, table], path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeployError(f"--out {path}: not a file of tables that can be written; choose another file") from error


def _key(table: Table) -> tuple[str, int, float, float]:
    return table.function, table.steps, table.low, table.high
