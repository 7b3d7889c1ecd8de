"""Measures codes and ingredients of conversion on four trained models; writes docs/accuracy.md.

    python -m benchmarks.accuracy
    python -m benchmarks.accuracy --resume                     keeps the rows that an interrupted run has measured
    python -m benchmarks.accuracy --resume --only minilm --rows 'auto' --rows '2 spikes, fixed'
    python -m benchmarks.accuracy --only demo --samples 100 --calibration 32 --page out/accuracy.md

Every row is a conversion and a run of its own in the closed form, with one thread; ``--workers`` rows are measured at a
time. The log goes to bench-accuracy.txt and the measured rows to bench-accuracy.json, in the folder ``--out``.
"""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import as_completed
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from benchmarks import dino, minilm, swin_fashion
from benchmarks.accuracy_page import PLAIN_RECIPE, SPIKES, Results, page
from benchmarks.subject import Case, Measured, Subject
from converters.ingredients import ALL, Ingredients
from deploy import demo
from deploy.errors import DeployError
from targets import children

NONE = Ingredients(**dict.fromkeys(asdict(ALL), False))
PUBLISHED = {40: 1.15, 16: 1.4}  # B by T of the plain recipe; the first pair is the paper's
ORIGINAL = "original"


def demo_subject(samples: int, calibration: int) -> Subject:
    """The bundled vision transformer on Fashion-MNIST, with the first ``samples`` images to evaluate on."""
    fit, (images, labels) = demo.calibration_data()[0], demo.evaluation_data()
    return Subject("demo ViT", demo.load_model(), [fit[:calibration]], [images[:samples]], labels[:samples])


SUBJECTS: dict[str, tuple[int, int, Callable[[int, int], Subject]]] = {
    "demo": (1000, 256, demo_subject),
    "swin": (1000, 256, swin_fashion.subject),
    "minilm": (500, 128, minilm.subject),
    "dino": (500, 64, lambda images, calibration: dino.subject(images, 1000, calibration)),
}
"""By subject: numbers of evaluation and calibration samples, and the function of these that makes it."""


def cases() -> dict[str, Case]:
    """The conversions that are measured of every subject, by the name of the row."""
    found: dict[str, Case] = {}
    for steps, base in PUBLISHED.items():
        for precision in ("float", "fixed"):
            for name, spikes in SPIKES.items():
                found[f"T = {steps}, {name}, {precision}"] = Case(steps, spikes, precision)
            found[f"T = {steps}, {PLAIN_RECIPE}, {precision}"] = Case(steps, 1, precision, base, 1, NONE)
    for name in asdict(ALL):
        if name == "headroom":  # concerns gates, which no subject has
            continue
        for spikes in (2,) if name == "balance" else (1, 2):  # balance is off with one spike
            found[f"{spikes} without {name}"] = Case(16, spikes, ingredients=replace(ALL, **{name: False}))
    found["1 without input_spikes"] = Case(16, input_spikes=1)
    return found


@functools.cache
def subject(key: str, samples: int, calibration: int) -> Subject:
    """Make a subject, once in each worker process."""
    return SUBJECTS[key][2](samples, calibration)


def measure(key: str, samples: int, calibration: int, row: str) -> tuple[Measured | None, float]:
    """Measure one row: (result, or None if the model cannot be converted so; seconds of processor time)."""
    begin = time.process_time()
    torch.set_num_threads(1)
    own = subject(key, samples, calibration)
    try:
        measured = own.original() if row == ORIGINAL else own.measure(cases()[row])
    except DeployError:
        measured = None
    return measured, time.process_time() - begin


def sizes(only: str, samples: int | None, calibration: int | None) -> dict[str, tuple[int, int]]:
    """(evaluation samples, calibration samples) of the subjects in ``only``, names joined by commas; all if empty."""
    chosen = only.split(",") if only else list(SUBJECTS)
    unknown = [key for key in chosen if key not in SUBJECTS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(SUBJECTS)}")
    full = {key: SUBJECTS[key][:2] for key in chosen}
    return {key: (min(n, samples or n), calibration or c) for key, (n, c) in full.items()}


def describe(measured: Measured | None) -> str:
    """A row's figures as one line of text."""
    if measured is None:
        return "cannot be converted so"
    cosine, right, same, spikes, seconds = measured
    return f"cosine {cosine:.5f}, accuracy {right:.2%}, same {same:.2%}, {spikes:,.0f} spikes, {1000 * seconds:.0f} ms"


def main(
    only: Annotated[str, typer.Option(help=f"Some of {','.join(SUBJECTS)}; all if not given.")] = "",
    samples: Annotated[int | None, typer.Option(help="Fewer evaluation samples.")] = None,
    calibration: Annotated[int | None, typer.Option(help="Another number of calibration samples.")] = None,
    rows: Annotated[list[str] | None, typer.Option(help="Only rows whose names hold this; may be repeated.")] = None,
    workers: Annotated[int, typer.Option(help="Rows measured at a time.")] = os.cpu_count() or 1,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the rows of an interrupted run of this code.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of bench-accuracy.txt and .json.")] = Path("out"),
    path: Annotated[Path, typer.Option("--page", help="The page that is written.")] = Path("docs/accuracy.md"),
) -> None:
    """Measure all rows, print each as it is done, and write the page."""
    asked = sizes(only, samples, calibration)
    out.mkdir(parents=True, exist_ok=True)
    console, store, begin = (
        Console(record=True, width=150, highlight=False),
        out / "bench-accuracy.json",
        time.perf_counter(),
    )
    known: dict[str, list[float] | None] = json.loads(store.read_text()) if resume and store.exists() else {}
    names = {(key, row): f"{key} {n} {c}: {row}" for key, (n, c) in asked.items() for row in (ORIGINAL, *cases())}
    chosen = [place for place in names if not rows or place[1] == ORIGINAL or any(part in place[1] for part in rows)]
    missing = [place for place in chosen if names[place] not in known]
    os.environ |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}  # for the workers, before they start
    failed = 0
    with children.workers(workers) as pool:
        running = {pool.submit(measure, key, *asked[key], row): (key, row) for key, row in missing}
        for number, done in enumerate(as_completed(running), 1):
            key, row = running[done]
            minutes = (time.perf_counter() - begin) / 60
            said = f"[{number}/{len(missing)}, {minutes:.0f} min] {key}: {row}: "
            try:
                measured, seconds = done.result()
            except Exception as error:  # a failed row must not stop the others
                failed += 1
                console.print(f"{said}failed: {error}", markup=False)
                continue
            known[names[key, row]] = measured and list(measured)
            console.print(f"{said}{describe(measured)} ({seconds:.0f} s of a core)", markup=False)
            store.write_text(json.dumps(known, indent=1), encoding="utf-8")
            (out / "bench-accuracy.txt").write_text(console.export_text(clear=False), encoding="utf-8")
    results: Results = {}
    for (key, row), name in names.items():
        numbers = known.get(name)
        results.setdefault(key, {})[row] = None if numbers is None else Measured(*numbers)
    path.write_text(page(results, asked), encoding="utf-8")
    console.print(f"\n{path.read_text(encoding='utf-8')}", markup=False, soft_wrap=True)
    (out / "bench-accuracy.txt").write_text(console.export_text(clear=False), encoding="utf-8")
    if failed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
