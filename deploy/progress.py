"""Progress of long work: functions report to a Progress, which shows nothing, or to a BarProgress, which draws bars."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Callable, Iterator, Sequence

from deploy.verbosity import Verbosity, verbosity

Advance = Callable[[int], None]
"""A callable that takes the number of units completed since its last call."""


class Progress:
    """Shows nothing; the default of the Python interface and base class of what does."""

    @contextlib.contextmanager
    def stage(self, title: str, total: int | None = None) -> Iterator[Advance]:
        """Enclose a stage of work of `total` units (None: unknown) that lasts as long as the block.

        with progress.stage("calibrating", total=len(images)) as advance:
            for batch in batches:
                ...
                advance(len(batch))
        """
        del title, total
        yield lambda units: None

    def note(self, lines: Sequence[str]) -> None:
        """Show lines that a user should see before long work goes on; here nothing is shown."""
        del lines


class BarProgress(Progress):
    """Draws one bar per stage on stderr, which leaves stdout to results; a bar of unknown length pulses.

    With --quiet nothing is shown; with --verbose each stage also leaves a line with its wall time, this process's
    processor time, and the peak memory so far.
    """

    def __init__(self) -> None:
        from deploy.terminal import Terminal

        self._console = Terminal(stderr=True, quiet=verbosity() is Verbosity.QUIET)

    def note(self, lines: Sequence[str]) -> None:
        """Print lines on stderr."""
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
        """Draw a bar; one of unknown length is erased at its end and absent from logs, so that an error is one line."""
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
    """Yield report(stage, done, total), which keeps a bar per stage; a finished stage that restarts gets a new bar."""
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
