"""The NIR file as a target: the network is written, read back, and what was restored is run in the closed form."""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import nir
import numpy as np

from processes.errors import DeployError
from processes.network import Network
from targets import closed_form_target
from targets.base import Done, TargetRun


def write(path: Path, network: Network) -> None:
    """Write a network as a NIR graph."""
    nir.write(path, network.to_nir())


def read(path: Path) -> Network:
    """Restore a network from a NIR graph that this package wrote.

    Raises:
        DeployError: the file is missing, damaged, or not a network of this package.
    """
    if not path.is_file():
        raise DeployError(f"{path}: no such file; give a graph.nir that `deploy convert` wrote")
    if not h5py.is_hdf5(path):
        raise DeployError(f"{path}: not an HDF5 file, so not a NIR graph")
    try:
        graph = nir.read(path, type_check=False)
    except Exception as error:  # h5py and nir raise whatever a damaged file makes them stumble over
        raise DeployError(f"{path}: not readable as a NIR graph ({type(error).__name__}: {error})") from error
    return Network.from_nir(graph)


def run(network: Network, samples: np.ndarray, granularity: str = "", done: Done | None = None) -> TargetRun:
    """Write, read back, and run what was restored."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.nir"
        write(path, network)
        return closed_form_target.run(read(path), samples, granularity, done)
