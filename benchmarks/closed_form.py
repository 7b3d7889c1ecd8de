"""How long the closed form takes, as a multiple of the original model, on the same threads in one run.

    python -m benchmarks.closed_form
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from converters.pipeline import convert_module
from deploy import demo
from targets.closed_form import ClosedForm

BATCH, ROUNDS = 64, 15


def main() -> None:
    """Time the demo model and its closed forms in turn, so that a drifting machine favours none of them."""
    model = demo.load_model()
    calibration, _ = demo.calibration_data()
    images, _ = demo.evaluation_data()
    batch = torch.from_numpy(images[:BATCH])
    conversion = convert_module(model, [calibration], 40, 1.15)
    assert conversion.fixed is not None
    floating, fixed = ClosedForm(conversion.calibrated), ClosedForm(conversion.fixed)

    def original() -> None:
        with torch.inference_mode():
            model(batch)

    runs: dict[str, Callable[[], object]] = {
        "original model": original,
        "closed form, floating point": lambda: floating.run(batch),
        "closed form, fixed point": lambda: fixed.run(batch),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    table = Table("demo model, batch 64", "ms per image", "times the original", title_justify="left")
    for name, taken in seconds.items():
        ratios = [own / base for own, base in zip(taken, seconds["original model"], strict=True)]
        table.add_row(name, f"{1000 * statistics.median(taken) / BATCH:.2f}", f"{statistics.median(ratios):.2f}")
    Console().print(table)
    Console().print(f"{torch.get_num_threads()} threads, T = 40, B = 1.15, medians of {ROUNDS} rounds")


if __name__ == "__main__":
    main()
