"""What marks a NIR graph as a trained network written whole; told without PyTorch, which most NIR files do without."""

from __future__ import annotations

import nir

FORMAT = "spiking network 1"


def is_whole(graph: nir.NIRGraph) -> bool:
    """Whether :func:`targets.trained.whole.whole` made it, in this version or another."""
    return str(graph.metadata.get("format", "")).startswith("spiking network")
