"""The runner: results, and that it ends quickly and cleanly whatever happens."""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import psutil
import pytest

pytest.importorskip("lava.magma")

from processes.errors import DeployError
from processes.lava.generic import process_class
from processes.lava.process import SpikingProcess
from processes.lava.record import Recording
from processes.operation import Window
from targets.lava_sim import runtime
from targets.lava_sim.runtime import run_processes

HERE = Path(__file__).parent
# Not as tests.lava.relay: lava-nc installs a package named tests.
sys.path.insert(0, str(HERE / "relay"))
relay = importlib.import_module("relay")

SECONDS = 120.0  # a hang, on the slowest of machines; what must be ended would sleep five times as long


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """What happens inside does not hang, and leaves no child process, shared memory or file descriptor."""
    me = psutil.Process()
    memory, children, descriptors = shared_memory(), set(me.children(recursive=True)), me.num_fds()
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < SECONDS
    # what earlier tests left may go meanwhile
    assert set(me.children(recursive=True)) <= children and me.num_fds() <= descriptors
    assert not lasting(shared_memory() - memory)


def lasting(names: set[str], seconds: float = 30.0) -> set[str]:
    """Those of ``names`` that are there for so long: what tests of another process have there is gone when they end."""
    end = time.monotonic() + seconds
    while (left := names & shared_memory()) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def shared_memory() -> set[str]:
    """Names of all that Python's multiprocessing leaves in memory."""
    kinds = ("psm_", "mp-", "sem.mp-", "spikedeploy-", "sem.spikedeploy-")
    return {entry.name for entry in Path("/dev/shm").iterdir() if entry.name.startswith(kinds)}


def test_memory_of_others_goes_and_what_is_left_lasts() -> None:
    mine, theirs = (SharedMemory(create=True, size=1) for _ in range(2))
    names = {memory.name.lstrip("/") for memory in (mine, theirs)}
    assert names <= shared_memory()
    going = threading.Timer(0.3, theirs.unlink)
    going.start()
    assert lasting(names, 1.5) == {mine.name.lstrip("/")}
    going.join()
    mine.unlink()
    assert lasting(names) == set()
    mine.close()
    theirs.close()


@pytest.mark.parametrize("lockstep", [False, True])
@pytest.mark.parametrize("precision", ["float", "fixed"])
def test_results(tmp_path: Path, precision: str, lockstep: bool) -> None:
    """Messages arrive in the step in which they are sent; samples are complete when announced."""
    seen = []
    file = tmp_path / "out.npy"
    with nothing_left():
        relays = relay.chain(5, record=file, samples=3)
        statistics = run_processes(
            relays, 8, 3, precision, lambda i: seen.append(np.load(file)[i].tolist()), lockstep, True
        )
    # steps 2, 3, 4 of samples 1, 2, 3, summed over the window
    assert seen == [[[0, 9, 3]], [[0, 9, 6]], [[0, 9, 9]]]
    assert np.load(file).dtype == (np.float64 if precision == "float" else np.int64)
    assert statistics.processes == 5 and statistics.bytes is not None and statistics.bytes > 0


class Pulses:
    """Neuron i fires at the steps given for it, and once more for every spike that arrives."""

    def __init__(self, sources: list[Window], fires: dict[int, list[int]], start: int) -> None:
        self.sources, self.fires, self.start = sources, fires, start

    def reset(self) -> None:
        """Stateless."""

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """(4,) signs, negative for odd neurons."""
        neurons = self.fires.get(t - self.start, [])
        spikes = np.zeros(4, np.int8)
        spikes[neurons] = [(-1) ** n for n in neurons]
        if messages and messages[0] is not None:
            spikes += messages[0]
        return spikes if spikes.any() else None


def pulses(
    fires: dict[int, list[int]],
    record: Recording | None = None,
    source: SpikingProcess | None = None,
    start: int = 3,
    period: int = 9,
) -> SpikingProcess:
    """A Process of :class:`Pulses`, connected to ``source`` if there is one."""
    kind = process_class(("spikes",) if source else (), ("spikes",))
    process = kind(
        stepper=partial(Pulses, fires=fires, start=start),
        shapes={"x0_in": (4,), "y0_out": (4,)},
        window=Window(start, start + 3),
        period=period,
        record={"y0_out": record} if record else None,
    )
    if source:
        source.y0_out.connect(process.x0_in)
    return process


def test_spikes_are_recorded_as_codes(tmp_path: Path) -> None:
    """Code +-(k+1), the second spike in the second plane; the stepper learns its sources' windows."""
    first = pulses({0: [0, 1], 2: [3]})
    second = pulses({1: [0, 2]}, Recording(tmp_path / "codes.npy", 2, planes=2), first)
    run_processes([first, second], 9, 2, "fixed")
    codes = np.load(tmp_path / "codes.npy")
    assert codes.dtype == np.int8
    assert codes.tolist() == [[[1, -1, 2, -3], [2, 0, 0, 0]]] * 2


def test_a_spike_too_many_is_an_error(tmp_path: Path) -> None:
    """A recording with one plane is also a check that neurons fire once."""
    process = pulses({0: [0, 1], 1: [1]}, Recording(tmp_path / "codes.npy", 1))
    with nothing_left(), pytest.raises(DeployError, match=r"step 4.*neuron 1 fired more than 1 times"):
        run_processes([process], 9, 1, "float")


def test_ports_reshape(tmp_path: Path) -> None:
    """Lava's virtual ports are wiring: the window is found through them."""
    first = relay.Relay(start=1, stop=3, period=4, drive=1)
    kind = process_class(("graded",), ("graded",))
    last = kind(
        stepper=_Echo,
        shapes={"x0_in": (3,), "y0_out": (3,)},
        window=Window(1, 3),
        period=4,
        record={"y0_out": Recording(tmp_path / "out.npy", 1)},
    )
    first.a_out.reshape((3,)).connect(last.x0_in)
    run_processes([first], 4, 1, "float")
    assert np.load(tmp_path / "out.npy").tolist() == [[0, 3, 2]]


class _Echo:
    def __init__(self, sources: list[Window]) -> None:
        assert sources == [Window(1, 3)]

    def reset(self) -> None:
        pass

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        return messages[0]


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("error", r"'relay2' failed at step 3: ZeroDivisionError: nothing to divide by"),
        ("constructor", r"'relay2' failed while it was built: ValueError: no such weights"),
        ("kill", r"'relay2' died with exit code -9"),
        ("untimely", r"'relay2' failed at step 0: .*outside its window \[2, 5\)"),
    ],
)
@pytest.mark.parametrize("lockstep", [False, pytest.param(True, marks=pytest.mark.exhaustive)])
def test_a_failing_process_ends_the_run(trouble: str, message: str, lockstep: bool, tmp_path: Path) -> None:
    """The error names Process, step and cause; a second run in the same interpreter works."""
    with nothing_left():
        with pytest.raises(DeployError, match=message):
            run_processes(relay.chain(5, trouble=trouble), 8, 3, "float", lockstep=lockstep)
        run_processes(relay.chain(3, record=tmp_path / "out.npy"), 8, 1, "float")
    assert np.load(tmp_path / "out.npy").tolist() == [[[0, 9, 3]]]


def test_the_traceback_of_the_child_is_kept() -> None:
    """It is the cause of the DeployError, in lockstep, too."""
    with nothing_left(), pytest.raises(DeployError, match="'relay1' failed at step 3") as caught:
        run_processes(relay.chain(3, trouble="error"), 8, 1, "float", lockstep=True)
    assert "relay.py" in str(caught.value.__cause__)


def test_an_error_in_the_callback_ends_the_run() -> None:
    """Whatever leaves the runner leaves it clean."""

    def stop(sample: int) -> None:
        raise KeyboardInterrupt

    with nothing_left(), pytest.raises(KeyboardInterrupt):
        run_processes(relay.chain(5), 8, 3, "float", stop)


@pytest.mark.parametrize(
    ("number", "everyone"),
    [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGKILL, False)],
    ids=["ctrl-c", "sigterm", "sigkill"],
)
def test_signals_end_parent_and_children(number: int, everyone: bool, tmp_path: Path) -> None:
    """Ctrl-C reaches the whole group, SIGTERM and SIGKILL the parent alone, in the middle of a step."""
    before = shared_memory()
    victim = subprocess.Popen(
        [sys.executable, HERE / "victim.py", "slow", tmp_path / "out.npy"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert victim.stdout is not None
    assert victim.stdout.readline() == "sample 0\n"
    time.sleep(0.3)
    begin = time.monotonic()
    (os.killpg if everyone else os.kill)(victim.pid, number)
    _, errors = victim.communicate(timeout=SECONDS)
    assert victim.returncode in (-number, 128 + number), errors
    assert errors.count("Traceback") <= 1  # the parent's KeyboardInterrupt and nothing from the children
    while _group_lives(victim.pid):
        assert time.monotonic() - begin < SECONDS
        time.sleep(0.05)
    assert shared_memory() <= before


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("trouble", ["", "error"])
def test_on_lavas_own_runtime(trouble: str, tmp_path: Path) -> None:
    """The same Processes in a plain Lava script; an error stops it."""
    done = subprocess.run(
        [sys.executable, HERE / "victim.py", trouble, tmp_path / "out.npy"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if trouble:
        assert done.returncode == 1
        assert "ZeroDivisionError" in done.stderr and "DeployError: an error stopped 'relay0'" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert np.load(tmp_path / "out.npy").tolist() == [[[0, 9, 3]], [[0, 9, 6]]]


def test_file_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The soft limit is raised as far as allowed; beyond that the error says what to do."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (runtime.descriptors_needed(3) - 1, limits[1]))
        runtime.reserve_descriptors(3)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= runtime.descriptors_needed(3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    monkeypatch.setattr(resource, "getrlimit", lambda what: (64, 68))
    with nothing_left(), pytest.raises(DeployError, match=r"3 Lava .* need 70 file .* allows 68; .*coarser"):
        run_processes(relay.chain(3), 8, 1, "float")


def test_the_estimate_of_file_descriptors_is_enough() -> None:
    """Counted in the middle of a run."""
    me = psutil.Process()
    before, during = me.num_fds(), []
    run_processes(relay.chain(20), 8, 1, "float", lambda sample: during.append(me.num_fds()))
    assert during[0] - before <= runtime.descriptors_needed(20)
    assert during[0] - before >= 20  # or the estimate could be lower


def test_refusals() -> None:
    """What cannot run is refused before anything is started."""
    relays = relay.chain(2)
    run_processes(relays, 8, 1, "float")
    with pytest.raises(DeployError, match="was run before"):
        run_processes(relays, 8, 1, "float")
    with pytest.raises(DeployError, match="has 8 steps a sample, not 9"):
        run_processes(relay.chain(2), 9, 1, "float")
    with pytest.raises(DeployError, match="not connected"):
        run_processes([*relay.chain(2), *relay.chain(2)], 8, 1, "float")
    with pytest.raises(DeployError, match=r"window \[5, 9\) does not lie within the period of 8"):
        relay.Relay(start=5, stop=9, period=8)
    early, late = relay.Relay(start=1, stop=3, period=8), relay.Relay(start=2, stop=4, period=8)
    sink = relay.Relay(start=2, stop=4, period=8, name="sink")
    early.a_out.connect(sink.a_in)
    late.a_out.connect(sink.a_in)
    with pytest.raises(DeployError, match=r"sink.a_in: its senders' windows differ"):
        run_processes([sink], 8, 1, "float")


def test_a_number_too_large_for_the_port_is_an_error() -> None:
    """Fixed point sends 32 bits; nothing wraps around."""
    process = relay.Relay(start=2, stop=5, period=8, drive=2**31, name="loud")
    with nothing_left(), pytest.raises(DeployError, match=r"'loud' failed.*OverflowError"):
        run_processes([process], 8, 1, "fixed")


def test_beside_lavas_own_processes(tmp_path: Path) -> None:
    """Lava's models send in every step and need its barrier; both are given them."""
    from lava.proc.io.source import RingBuffer

    source = RingBuffer(data=np.arange(24).reshape(1, 3, 8))
    sink = relay.Relay(start=0, stop=8, period=8, record=Recording(tmp_path / "out.npy", 2))
    source.s_out.connect(sink.a_in)
    with nothing_left():
        run_processes([sink], 8, 2, "fixed")
    assert np.load(tmp_path / "out.npy").tolist() == [np.arange(24).reshape(1, 3, 8).sum(-1).tolist()] * 2
