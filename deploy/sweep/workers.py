"""Processes that convert and measure points, beside one another."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.sweep.point import Point, original, run_point
from targets.children import follow


@contextlib.contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Worker processes that do not outlive the block; each starts when there is something to do.

    Raises:
        DeployError: one died.
    """
    spawn = multiprocessing.get_context("spawn")  # PyTorch's and numba's threads do not survive a fork
    pool = ProcessPoolExecutor(workers, spawn, follow, (os.getpid(),))
    try:
        yield pool
    except BrokenProcessPool as error:
        raise DeployError(
            "a worker process died: of too little memory, or because a script that uses this does not protect its main part by "
            "`if __name__ == '__main__':`, which its workers need"
        ) from error
    finally:
        for process in list((pool._processes or {}).values()):
            process.kill()  # what they still do is nobody's any more
        pool.shutdown(wait=True, cancel_futures=True)


def results(
    pool: Executor, shared: ConvertOptions, points: Sequence[Point], folder: Path
) -> Iterator[tuple[Point, dict[str, Any]]]:
    """Points as they are done; ``folder`` holds the original model's outputs."""
    waiting = {pool.submit(run_point, shared, point, original(folder, point.tokens)): point for point in points}
    for future in as_completed(waiting):
        yield waiting[future], future.result()
