"""Plain graphs as files."""

from __future__ import annotations

from pathlib import Path

import h5py
import nir
import numpy as np


def write_plain(path: Path, graph: nir.NIRGraph) -> None:
    """Write a plain graph so that every simulator's version of nir reads it.

    Where resets subtract, or a graph has the exact steps of sinabs, neurons are written without a v_reset of zeros: newer
    versions of nir assume it, and to 1.0.4, which sinabs needs, the field is unknown.
    """
    nir.write(path, graph)
    if graph.metadata.get("reset") != "subtract" and graph.metadata.get("method") != "exact":
        return
    with h5py.File(path, "r+") as file:
        for name, node in graph.nodes.items():
            if isinstance(node, nir.LIF | nir.IF) and node.v_reset is not None and not np.any(node.v_reset):
                del file[f"node/nodes/{name}/v_reset"]
