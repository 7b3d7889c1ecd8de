"""The C program gives every spike and potential, where it is compiled without and with sanitizers; what is changed in it shows."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters.discretise import discretise
from processes.chips import LOIHI2
from processes.errors import DeployError
from processes.network import Network
from processes.operation import Window
from processes.operations import OPERATIONS
from processes.phase_code import PhaseCode
from targets.c99 import NO_KERNEL, write_c
from targets.c99.golden import FACTOR, polynomial
from targets.c99.kernels import KERNELS
from targets.c99.kernels.kernel import Constants, fold
from targets.c99.memory import Need, layout
from tests.converters.modules import images, module, spiking
from tests.targets.test_loihi2 import second_spikes_that_end_early, two_spikes
from tests.targets.test_placement import by_sit, convolutions, small_network

COMPILER = shutil.which("cc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler: `cc` is not on the path")


def grouped_convolutions() -> Network:
    return discretise(convolutions(), images(4), LOIHI2)


NETWORKS: dict[str, Callable[[], Network]] = {
    "one spike": small_network, "two spikes": two_spikes, "end early": second_spikes_that_end_early, "sit": by_sit,
    "convolutions": grouped_convolutions,
}  # fmt: skip


def make(folder: Path, target: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-s", "-C", str(folder), target, *options], capture_output=True, text=True, check=False
    )


@needs_compiler
@pytest.mark.parametrize("name", NETWORKS)
def test_the_program_gives_every_spike_and_potential(name: str, tmp_path: Path) -> None:
    write_c(NETWORKS[name](), images(3, seed=3), tmp_path)
    done = make(tmp_path, "sanitize")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"identical: \d+ spike times and potentials in each of 3 samples\n", done.stdout)
