"""Worker processes that convert and measure points of a sweep in parallel."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.schema import Point as Result
from deploy.sweep.point import Point, original, run_point
from targets import children


@contextlib.contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Yield an executor whose worker processes do not outlive the block.

    Raises:
        DeployError: a worker process died.
    """
    try:
        with children.workers(workers) as pool:
            yield pool
    except BrokenProcessPool as error:
        raise DeployError(
            "a worker process died: of too little memory, or because a script that uses this does not protect its main part by "
            "`if __name__ == '__main__':`, which its workers need"
        ) from error


def results(
    pool: Executor, shared: ConvertOptions, points: Sequence[Point], folder: Path
) -> Iterator[tuple[Point, Result]]:
    """Yield (point, result) as each point is finished; ``folder`` holds the original model's outputs."""
    waiting = {pool.submit(run_point, shared, point, original(folder, point.tokens)): point for point in points}
    for future in as_completed(waiting):
        yield waiting[future], future.result()
