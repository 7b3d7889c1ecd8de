"""Progress of long work: functions report to a Progress, which shows bars on a terminal or nothing at all."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Callable, Iterator, Sequence

from deploy.verbosity import Verbosity, verbosity

Advance = Callable[[int], None]
"""Call it with the number of units that were just done."""


class Progress:
    """Shows nothing; what the Python interface uses unless told otherwise."""

    @contextlib.contextmanager
    def stage(self, title: str, total: int | None = None) -> Iterator[Advance]:
        """A stage of work of `total` units (None: unknown) that lasts as long as the block.

        with progress.stage("calibrating", total=len(images)) as advance:
            for batch in batches:
                ...
                advance(len(batch))
        """
        del title, total
        yield lambda units: None

    def note(self, lines: Sequence[str]) -> None:
        """Lines that a user should see before long work goes on."""
        del lines


class BarProgress(Progress):
    """One bar per stage on the error stream, so that results on the output stream stay clean; of unknown length it pulses.

    Under --quiet nothing at all; under --verbose each stage also leaves a line with its time, by the clock and of this
    process's threads together, and the memory reached.
    """

    def __init__(self) -> None:
        from deploy.terminal import Terminal

        self._console = Terminal(stderr=True, quiet=verbosity() is Verbosity.QUIET)

    def note(self, lines: Sequence[str]) -> None:
        """Lines that a user should see before long work goes on, on the error stream."""
        for line in lines:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def stage(self, title: str, total: int | None = None) -> Iterator[Advance]:
        begin, used = time.perf_counter(), time.process_time()
        with self._bar(title, total) as advance:
            yield advance
        if verbosity() is Verbosity.VERBOSE:
            reached = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # ru_maxrss: KiB on Linux
            took, used = time.perf_counter() - begin, time.process_time() - used
            self.note(
                [f"{title}: {took:.2f} s, {used:.2f} s of processors, {reached:.2f} GiB of memory at most so far"]
            )

    @contextlib.contextmanager
    def _bar(self, title: str, total: int | None) -> Iterator[Advance]:
        """A bar; one of unknown length goes without a trace, so that an error after it is one line, in logs too."""
        from rich import progress

        unknown = total is None
        if unknown and not self._console.is_interactive:
            yield lambda units: None
            return
        columns = (
            progress.TextColumn("{task.description:<32}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, console=self._console, transient=unknown, disable=self._console.quiet) as bars:
            task = bars.add_task(title, total=total)
            yield lambda units: bars.advance(task, units)


@contextlib.contextmanager
def stages(progress: Progress) -> Iterator[Callable[[str, int, int], None]]:
    """Turns (stage, done, total) calls into one progress bar after the other; a stage that begins anew gets a new one."""
    with contextlib.ExitStack() as stack:
        bars: dict[str, tuple[contextlib.ExitStack, Callable[[int], None]]] = {}
        reached: dict[str, int] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                own = stack.enter_context(contextlib.ExitStack())
                bars[stage] = own, own.enter_context(progress.stage(stage, total))
            own, advance = bars[stage]
            advance(done - reached.get(stage, 0))
            reached[stage] = done
            if done == total:
                own.close()
                del bars[stage], reached[stage]

        yield report
