"""The C kernel of every operation that has a fixed-point form.

A new operation needs a function here and a kernel in ``bundle/kernels``, or a reason in NO_KERNEL; a test checks that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from targets.c99.kernels import neurons, pooling, products, softmax, synapses
from targets.c99.kernels.kernel import Kernel, Place

KERNELS: dict[str, Callable[[Any, Place], Kernel | None]] = {
    "dense": synapses.dense, "conv2d": synapses.conv2d, "scale": synapses.scale, "route": synapses.route,
    "trace_product": products.trace_product, "square_sum": products.square_sum,
    "elementwise_product": products.elementwise_product, "max_pool": pooling.max_pool, "winners": pooling.winners,
    "phase_neuron": neurons.phase_neuron, "si_neuron": neurons.si_neuron,
    "dynamic_threshold": neurons.dynamic_threshold, "residual": neurons.residual, "centre": neurons.centre,
    "readout": neurons.readout, "woss": softmax.woss, "si_exp": softmax.si_exp, "si_norm": softmax.si_norm,
}  # fmt: skip
"""By operation name: a function (operation, place) -> kernel, or None if the node passes its operand on as it is."""

NO_KERNEL = {
    "rate_neuron": "it is a floating-point baseline, which no conversion to integers takes",
    "if_neuron": "it is a floating-point baseline, which no conversion to integers takes",
}
"""By operation name: why it has no kernel. KERNELS and NO_KERNEL together name all operations."""
