"""Recognises NIR graphs that hold a whole trained network, without importing PyTorch."""

from __future__ import annotations

import nir

FORMAT = "spiking network 1"
"""Value of ``format`` in the metadata of graphs that this version writes and reads."""


def is_whole(graph: nir.NIRGraph) -> bool:
    """Whether :func:`targets.trained.whole.whole` made the graph, in this version or another."""
    return str(graph.metadata.get("format", "")).startswith("spiking network")
