"""Writes what the demo's conversion was before the code was rebuilt: `PYTHONPATH=. python tests/golden/demo/make.py`.

Both networks are stored as files, and for the first 20 evaluation images digests of each layer's codes and
potentials, and the readout. Tests load the stored networks and compare. Converting anew gives the same networks on the
processor that these were made on; elsewhere sums in another order may choose other codes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from converters.pipeline import convert_module
from deploy.demo import calibration_data, evaluation_data, load_model
from evaluator import network_file
from evaluator.closed_form import ClosedForm
from processes.network import Network, Route
from processes.operation import Operation, Result

FOLDER = Path(__file__).parent
IMAGES = 20
STEPS, INPUT_SPIKES = 40, 2  # what `make demo` uses


def record(network: Network, images: np.ndarray) -> dict[str, np.ndarray]:
    """By node, digests (images, 32) of each image's codes and integer potentials; and the readout ``outputs``."""
    found: dict[str, np.ndarray] = {}

    def observe(name: str, op: Operation, result: Result) -> None:
        y = result.values
        if isinstance(op, Route):
            return
        if op.fires:
            found[f"codes.{name}"] = digests(y.swapaxes(0, 1).numpy().astype(np.int8))
        elif not y.is_floating_point() or bool((y == y.round()).all()):  # integers, whatever carries them
            found[f"potentials.{name}"] = digests(y.numpy().astype(np.int32))

    found["outputs"] = ClosedForm(network, torch.float64).run(images, observe).numpy().astype(np.float64)
    return found


def digests(values: np.ndarray) -> np.ndarray:
    """SHA-256 of each sample of ``values`` (N, ...), uint8 (N, 32)."""
    return np.stack(
        [np.frombuffer(hashlib.sha256(np.ascontiguousarray(v).tobytes()).digest(), np.uint8) for v in values]
    )


def main() -> None:
    """Convert, write, record."""
    images = evaluation_data()[0][:IMAGES]
    conversion = convert_module(load_model(), [calibration_data()[0]], STEPS, input_spikes=INPUT_SPIKES)
    assert conversion.fixed is not None
    for precision, network in (("float", conversion.calibrated), ("fixed", conversion.fixed)):
        network_file.write(FOLDER / f"{precision}.nir", network)
        np.savez_compressed(FOLDER / f"{precision}.npz", **record(network, images))


if __name__ == "__main__":
    main()
