"""Writes plain graphs to files."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import h5py
import nir
import numpy as np

from processes.files import write_hdf5


def write_plain(path: Path, graph: nir.NIRGraph) -> None:
    """Write a plain graph to a NIR file, completely or not at all, as :func:`store_plain` stores it."""
    write_hdf5(path, lambda content: store_plain(content, graph))


def store_plain(content: BinaryIO, graph: nir.NIRGraph) -> None:
    """Write a plain graph as HDF5 that every simulator's version of nir can read.

    Where resets subtract, or the graph has sinabs' exact method, a v_reset of zeros is left out: newer versions of nir
    assume it, and version 1.0.4, which sinabs needs, does not know the field.
    """
    nir.write(content, graph)  # pyright: ignore[reportArgumentType]  # h5py takes files
    if graph.metadata.get("reset") != "subtract" and graph.metadata.get("method") != "exact":
        return
    with h5py.File(content, "r+") as file:
        for name, node in graph.nodes.items():
            if isinstance(node, nir.LIF | nir.IF) and node.v_reset is not None and not np.any(node.v_reset):
                del file[f"node/nodes/{name}/v_reset"]
