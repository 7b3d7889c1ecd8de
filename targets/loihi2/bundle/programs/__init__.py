"""What every neuron and synapse of this network computes at a time step: integers only, additions, products and shifts.

This folder is the specification for microcode: each class is a program, its attributes are the neuron's state and parameters,
and ``step`` is one time step, written for all neurons of a population at once. It needs numpy and nothing else. Numbers
come from ``parameters/*.npz``. A message is an array, or None for silence; spikes are -1, 0 or +1, all else are integers.

    shift(x, n)     x / 2^n with the fraction dropped, toward zero; to the left if n < 0
    clip(x, n)      x limited to n signed bits, +-(2^(n-1) - 1)

``t`` is the step of the sample, ``k = t - start`` that of the population's own window, in which alone it fires.
"""

from . import neurons, products, softmax, synapses

PROGRAMS = {
    "dense": synapses.Dense, "conv2d": synapses.Conv2d, "scale": synapses.Scale, "route": synapses.Route,
    "trace_product": products.TraceProduct, "square_sum": products.SquareSum,
    "elementwise_product": products.ElementwiseProduct, "phase_neuron": neurons.PhaseNeuron,
    "dynamic_threshold": neurons.DynamicThreshold, "residual": neurons.Residual, "centre": neurons.Centre,
    "readout": neurons.Readout, "woss": softmax.Woss, "si_exp": softmax.SiExp, "si_norm": softmax.SiNorm,
    "si_neuron": softmax.SiNeuron, "max_pool": neurons.MaxPool, "winners": neurons.Winners,
}  # fmt: skip
"""The program of every operation, by its name in network.json."""
