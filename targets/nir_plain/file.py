"""Plain graphs as files."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import h5py
import nir
import numpy as np

from processes.files import write_hdf5


def write_plain(path: Path, graph: nir.NIRGraph) -> None:
    """Write :func:`store_plain` to a file, whole or not at all."""
    write_hdf5(path, lambda content: store_plain(content, graph))


def store_plain(content: BinaryIO, graph: nir.NIRGraph) -> None:
    """Write a plain graph so that every simulator's version of nir reads it.

    Where resets subtract, or a graph has the exact steps of sinabs, neurons are written without a v_reset of zeros: newer
    versions of nir assume it, and to 1.0.4, which sinabs needs, the field is unknown.
    """
    nir.write(content, graph)  # pyright: ignore[reportArgumentType]  # h5py takes files
    if graph.metadata.get("reset") != "subtract" and graph.metadata.get("method") != "exact":
        return
    with h5py.File(content, "r+") as file:
        for name, node in graph.nodes.items():
            if isinstance(node, nir.LIF | nir.IF) and node.v_reset is not None and not np.any(node.v_reset):
                del file[f"node/nodes/{name}/v_reset"]
