"""A script for the tests to interrupt: relays of which one has trouble, on our runtime or on Lava's own."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/lava/relay")]

if __name__ == "__main__":
    # whoever runs the tests in the background of a script has Ctrl-C ignored, which children inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)

    from relay import chain

    trouble, record = sys.argv[1], Path(sys.argv[2])
    relays = chain(4, trouble=trouble, record=record, samples=2)
    if trouble == "slow":
        from targets.lava_sim.runtime import run_processes

        run_processes(relays, 8, 2, "float", on_sample=lambda sample: print("sample", sample, flush=True))
    else:
        from lava.magma.core.run_conditions import RunSteps
        from lava.magma.core.run_configs import Loihi2SimCfg

        relays[0].run(RunSteps(16), Loihi2SimCfg(select_tag="fixed_pt"))
        relays[0].stop()
