"""Tables of a fitted spiking neuron: T, h and d of equations 2-4 of the SIT-conversion paper.

    v_1 = x      z_t = 1 if v_t >= T_t      v_{t+1} = v_t - h_t z_t      f(x) ~ sum_t d_t z_t,      t = 1 .. K

This is the FS neuron (few spikes; Stöckl & Maass 2021). Fitted tables are shipped in ``tables.json`` beside this file,
each with the command and the seed that made it; ``fit.py`` makes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from processes.errors import DeployError
from processes.phase_neuron.activations import ACTIVATIONS

TABLES = Path(__file__).with_name("tables.json")
ARRAYS = ("threshold", "reset", "output")

FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exp": np.exp,
    "gelu": ACTIVATIONS["gelu"].numpy,
    "silu": ACTIVATIONS["silu"].numpy,
    "sigmoid": expit,
    "rsqrt": lambda x: 1 / np.sqrt(x),
}
"""The functions that can be fitted, by name; they map float64 arrays to float64 arrays."""


@dataclass(frozen=True, eq=False)
class Table:
    """The parameters of one fitted neuron.

    Attributes:
        function: the function that is approximated, a name in ``FUNCTIONS``.
        low, high: the range on which the table was fitted.
        seed: of the search that found the table.
        threshold, reset, output: T, h, d; float64 (K,).
    """

    function: str
    low: float
    high: float
    seed: int
    threshold: np.ndarray
    reset: np.ndarray
    output: np.ndarray

    @property
    def steps(self) -> int:
        """K, the number of steps."""
        return len(self.threshold)

    def spikes(self, x: np.ndarray) -> np.ndarray:
        """The spikes z_t at inputs x, bool (K, *x.shape)."""
        v = np.array(x, np.float64)
        z = np.empty((self.steps, *v.shape), bool)
        for t in range(self.steps):
            z[t] = v >= self.threshold[t]
            v -= self.reset[t] * z[t]
        return z

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The approximation sum_t d_t z_t of the function at x, float64 (*x.shape)."""
        return np.tensordot(self.output, self.spikes(x), 1)

    def errors(self, points: int = 10_000, seed: int = 1) -> dict[str, float]:
        """Root mean square and largest |error| on random points of the range, as {"rmse": ..., "max": ...}."""
        x = np.random.default_rng(seed).uniform(self.low, self.high, points)
        error = self(x) - FUNCTIONS[self.function](x)
        return {"rmse": float(np.sqrt(np.mean(error**2))), "max": float(np.abs(error).max())}

    def to_json(self) -> dict[str, Any]:
        """The table as plain JSON values, with the ``deploy fit`` command that makes it."""
        arrays = {name: getattr(self, name).tolist() for name in ARRAYS}
        command = f"deploy fit --function {self.function} --timesteps {self.steps} --range {self.low!r} {self.high!r}"
        return {"command": f"{command} --seed {self.seed}", **asdict(self), **arrays}


def read_tables(path: Path = TABLES) -> list[Table]:
    """All tables of a file that ``deploy fit`` wrote; [] if there is no such file."""
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return [
        Table(row["function"], row["low"], row["high"], row["seed"], *(np.array(row[name]) for name in ARRAYS))
        for row in rows
    ]


def write_tables(tables: list[Table], path: Path) -> None:
    """Replace the file by these tables, one per line, sorted by function, width of the range and steps."""
    ordered = sorted(tables, key=lambda t: (t.function, t.high - t.low, t.steps))
    rows = ",\n".join(json.dumps(table.to_json()) for table in ordered)
    path.write_text(f"[\n{rows}\n]\n", encoding="utf-8")


@lru_cache
def _shipped() -> tuple[Table, ...]:
    return tuple(read_tables())


def load_table(function: str, steps: int, low: float, high: float) -> Table:
    """The shipped table of a function with K = ``steps`` on the range [low, high].

    Raises:
        DeployError: no such table is shipped; the message says which numbers of steps there are.
    """
    for table in _shipped():
        if (table.function, table.steps) == (function, steps) and np.allclose((table.low, table.high), (low, high)):
            return table
    some = sorted({t.steps for t in _shipped() if t.function == function and np.allclose((t.low, t.high), (low, high))})
    known = f"there are {some[0]} to {some[-1]} steps" if some else "there is none for this range"
    raise DeployError(
        f"no fitted table of {function} on [{low:g}, {high:g}] in {steps} steps; {known}; see `deploy fit`"
    )
