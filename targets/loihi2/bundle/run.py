"""Runs this network and compares every spike and potential with those of the run that it was exported from.

python run.py                   here, by the integer programs of this folder (numpy alone)
python run.py --on loihi2       on the chip, where Intel's lava-loihi is installed
"""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
from programs import PROGRAMS

HERE = Path(__file__).resolve().parent


def load():
    """Read the network's description (network.json) and make the program of every node; returns both."""
    network = json.loads((HERE / "network.json").read_text())
    starts = {"input": 0} | {node["name"]: node["window"][0] for node in network["nodes"]}
    programs = {}
    for node in network["nodes"]:
        with np.load(HERE / node["parameters"]) as arrays:
            p = {key: wide(arrays[key]) for key in arrays.files} | node["scalars"]
        operands = [starts[name] for name in node["inputs"]]
        programs[node["name"]] = PROGRAMS[node["op"]](p, tuple(node["shape"]), node["window"][0], operands)
    return network, programs


def wide(array):
    """Widen integer arrays to 64 bits, so that no intermediate product wraps."""
    return array.astype(np.int64) if array.dtype.kind == "i" else array


def run(network, programs, graded):
    """Step one graded input through all nodes; returns codes (planes, *shape) or potentials by node."""
    found = {}
    for t in range(network["period"]):
        sent = {"input": graded if t == 0 else None}
        for node in network["nodes"]:
            if not node["span"][0] <= t < node["span"][1]:
                continue
            name = node["name"]
            message = programs[name].step(t, [sent.get(source) for source in node["inputs"]])
            sent[name] = message
            if message is None or node["op"] == "route":
                continue
            if node["emits"] == "spikes":
                codes = found.setdefault(name, np.zeros((node["spikes"], *node["shape"]), np.int64))
                left = message != 0
                for plane in codes:
                    free = left & (plane == 0)
                    plane[free] = message[free] * (t - node["window"][0] + 1)
                    left = left & ~free
            else:
                total = found.get(name, 0) + message
                limit = 2 ** (node["state_bits"] - 1) - 1 if node["state_bits"] else None
                found[name] = total if limit is None else np.clip(total, -limit, limit)
    return found


def compare(network, found, golden):
    """Compare all values with the golden ones and return their number; exit with a message at the first difference."""
    compared = 0
    for node in network["nodes"]:
        if node["op"] == "route":
            continue
        want = golden[node["name"]]
        got = np.broadcast_to(found.get(node["name"], np.zeros(1, np.int64)), want.shape)
        if (got != want).any():
            where = tuple(int(i) for i in np.argwhere(got != want)[0])
            sys.exit(f"'{node['name']}' differs at {where}: {got[where]}, not {want[where]}")
        compared += want.size
    return compared


def main():
    """Run the network where --on says, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", choices=("cpu", "loihi2"), default="cpu")
    if parser.parse_args().on == "loihi2":
        if importlib.util.find_spec("lava") is None or importlib.util.find_spec("lava.utils.loihi2_profiler") is None:
            sys.exit("Intel's lava-loihi (compiler, NxKernel) is not installed here; INRC members get it from Intel")
        sys.exit(
            "lava-loihi is installed. Lava has no NeuroCore models of these neurons: translate programs/ to microcode, "
            "one program a class, place it by placement.npz, and compare its probes with golden.npz. Populations of LIF "
            "neurons run there as they are; `deploy run FILE.nir --target loihi2` does that"
        )
    network, programs = load()
    with np.load(HERE / "golden.npz") as arrays:
        golden = {name: arrays[name].astype(np.int64) for name in arrays.files}
    found = run(network, programs, golden["input"])
    print(f"identical: {compare(network, found, golden):,} spike times and potentials of {len(network['nodes'])} nodes")


if __name__ == "__main__":
    main()
