"""Settings that every test shares."""

import os
import signal
from collections.abc import Iterator

# Before any import of the libraries that read them. No test may reach for a model hub; one thread in each
# test process keeps parallel ones from fighting over the cores.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every run, and no time limit on one: a slow machine is no failure.
settings.register_profile("tests", derandomize=True, deadline=None)
settings.load_profile("tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out exhaustive tests unless -m asks for some, and let those that need it run one after another.

    That is tests whose folder or file has one of these words in its name; others run beside them. Some check that a run
    leaves nothing in /dev/shm, which Lava or worker processes elsewhere would upset.
    """
    if not config.option.markexpr:
        further = [item for item in items if item.get_closest_marker("exhaustive")]
        config.hook.pytest_deselected(items=further)
        items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
    root = Path(__file__).parent
    for item in items:
        name = str(item.path.relative_to(root))
        if any(word in name for word in ("lava", "evaluation", "sweep", "tutorials")):
            item.add_marker(pytest.mark.xdist_group("lava"))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C reaches this process: what a shell starts in the background ignores it, and hands that on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
