"""Damaged and foreign input files by the thousand: each is read or refused in one line. `make fuzz`.

Every case is a small valid file of a kind that deploy reads (tests/fuzz_files.py, tests/fuzz_folders.py), damaged by a
generator seeded with the case's number (tests/fuzz_mutations.py).
"""

from __future__ import annotations

import functools
import shutil
import signal
import sys
import tempfile
import time
import types
from collections import Counter
from pathlib import Path

import numpy as np

if __name__ == "__main__":  # some library installs a package `tests`, which a folder without __init__.py does not hide
    sys.modules["tests"] = types.ModuleType("tests")
    sys.modules["tests"].__path__ = [str(Path(__file__).parent)]

from deploy.errors import DeployError
from tests import fuzz_files, fuzz_folders
from tests.fuzz_mutations import mutated

SECONDS = 10


@functools.cache
def readers() -> tuple[fuzz_files.Reader, ...]:
    """Everything that reads a file."""
    return (*fuzz_files.readers(), *fuzz_folders.readers())


def run_case(number: int, folder: Path) -> str:
    """How a case ends: "read" or "refused"; anything else is raised.

    Raises:
        AssertionError: it kept a processor busy for more than 10 s, or its refusal has several lines.
    """
    random = np.random.default_rng(number)
    known = readers()
    reader = known[number % len(known)]
    case = folder / str(number)
    for name, content in {**reader.beside, reader.name: mutated(reader.content, random, reader.name)}.items():
        (case / name).parent.mkdir(parents=True, exist_ok=True)
        (case / name).write_bytes(content.replace(fuzz_files.HERE, str(case).encode()))
    begin = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, 2 * SECONDS)  # ends what would never end, if it is Python that does not
    try:
        reader.read(case / reader.name)
        end = "read"
    except DeployError as error:
        assert "\n" not in str(error), f"case {number}: {error!r}"
        end = "refused"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        shutil.rmtree(case)
    assert time.process_time() - begin < SECONDS, f"case {number} hangs"
    return end


def _hangs(signum: int, frame: object) -> None:
    raise TimeoutError("hangs")


def run(cases: int) -> Counter[str]:
    """Cases 0 to ``cases`` - 1: how many were read, refused, or raised what (with the first case's number)."""
    ends: Counter[str] = Counter()
    before = signal.signal(signal.SIGPROF, _hangs)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(cases):
            try:
                ends[run_case(number, Path(folder))] += 1
            except Exception as error:
                name = readers()[number % len(readers())].name
                ends[f"case {number}, {name}: {type(error).__name__}: {str(error)[:100]}"] += 1
    signal.signal(signal.SIGPROF, before)
    return ends


if __name__ == "__main__":
    import resource
    import warnings

    warnings.simplefilter("ignore")
    found = run(int(sys.argv[1]))
    print(*(f"{count:6} {end}" for end, count in found.most_common()), sep="\n")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {memory:.2f} GB")
    sys.exit(set(found) > {"read", "refused"} or memory > 2)
