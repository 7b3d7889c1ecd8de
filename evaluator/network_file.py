"""Reads and writes networks as NIR graphs in HDF5 files: compact when written, verified when read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import nir
import numpy as np

from evaluator.nir_reader import read_graph
from processes import verifier
from processes.errors import DeployError
from processes.files import write_hdf5
from processes.network import Network

COMPRESSED = 256  # fewest entries of an array whose compression saves more than its chunk index takes


def write(path: Path, network: Network) -> None:
    """Write a network to ``path`` as a NIR graph."""
    write_graph(path, network.to_nir())


def write_graph(path: Path, graph: nir.NIRGraph) -> None:
    """Write what ``nir.write`` writes, but in the compact layout of HDF5's latest version, as most arrays are tiny."""

    def store(content: BinaryIO) -> None:
        with h5py.File(content, "w", libver="latest") as file:
            file.create_dataset("version", data=nir.version, dtype=h5py.string_dtype())
            _store(file.create_group("node"), graph.to_dict())

    write_hdf5(path, store)


def _store(group: h5py.Group, entries: Mapping[str, Any]) -> None:
    for key, value in entries.items():
        if isinstance(value, Mapping):
            if key != "metadata" or value:
                _store(group.create_group(str(key)), value)
        elif isinstance(value, np.ndarray) and value.size >= COMPRESSED:
            group.create_dataset(key, data=value, chunks=value.shape, compression="gzip")
        elif isinstance(value, str):
            group.create_dataset(key, data=value, dtype=h5py.string_dtype())
        else:
            group.create_dataset(key, data=value)


def read(path: Path, *, tried: bool = False) -> Network:
    """Read a network from a NIR file that this package wrote; ``tried`` as for :func:`evaluator.nir_reader.read_file`.

    Raises:
        DeployError: the file is missing, damaged, or not a network of this package.
    """
    return restore(read_graph(path, tried=tried))


def restore(graph: nir.NIRGraph) -> Network:
    """The network that a NIR graph holds, verified (:func:`processes.verifier.check`).

    Raises:
        DeployError: the graph is not a network of this package, is of another version, or is damaged.
    """
    try:
        network = Network.from_nir(graph)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DeployError(f"the NIR graph has metadata that is no network's ({reason}); the file is damaged") from error
    verifier.check(network)
    return network
