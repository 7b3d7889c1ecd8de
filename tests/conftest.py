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


GROUPS = {
    "lava": ("lava", "evaluation", "sweep", "tutorials"),
    "networks": (
        "test_c99",
        "test_loihi2",
        "test_placement",
        "test_nir_by_the_page",
        "test_unequal_windows",
        "test_sana_fe",
        "test_overlap",
        "test_state_sets",
    ),
    "random": ("test_random_networks", "test_backends"),
    "spikformer": ("test_trained_whole",),
    "converted": ("test_stepper", "deploy/test_text", "test_language", "test_export", "test_nir_plain"),
}
"""Words in the path of tests that run one after another, beside others.

Of "lava" some check that a run leaves nothing in /dev/shm, which Lava or worker processes elsewhere would upset. The others
share networks that take long to convert, which two processes would both convert.
"""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out exhaustive tests unless -m asks for some, and let those of a group run one after another in one process."""
    if not config.option.markexpr:
        further = [item for item in items if item.get_closest_marker("exhaustive")]
        config.hook.pytest_deselected(items=further)
        items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
    root = Path(__file__).parent
    for item in items:
        name = str(item.path.relative_to(root))
        for group, words in GROUPS.items():
            if any(word in name for word in words):
                item.add_marker(pytest.mark.xdist_group(group))
                break


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C reaches this process: what a shell starts in the background ignores it, and hands that on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
