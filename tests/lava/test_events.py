"""Events of a Lava run, counted from the spikes that Lava recorded, are those of the closed form."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("lava.magma")

from converters.calibrate import calibrate
from converters.discretise import discretise
from deploy.energy import EventCounter, count_run, differing
from evaluator.closed_form import ClosedForm
from processes.chips import LOIHI2
from processes.phase_code import PhaseCode
from targets import lava_sim
from tests.converters.modules import images, lowered, small_vit


def test_lava_does_what_the_closed_form_says() -> None:
    x = images(8)
    network = discretise(calibrate(lowered(small_vit(), torch.from_numpy(x)), x, PhaseCode(1.4, 12)), x, LOIHI2)
    closed = EventCounter(network)
    ClosedForm(network).run(x[:2], closed)
    stepped = count_run(network, lava_sim.run(network, x[:2]).values)
    assert stepped.samples == 2 and stepped.totals["synaptic_operations"] > 1000
    assert differing(closed, stepped) == 0
