"""Integer arithmetic, and the base class of programs: parameters, a potential, the windows of the operands."""

import numpy as np

NEVER, ALWAYS = 2**31 - 1, -(2**31)  # entries of thresholds that no potential, or that every potential, reaches


def shift(x, n):
    """x / 2^n with the fraction dropped, toward zero; to the left by -n bits if n < 0."""
    n = np.asarray(n)
    return np.sign(x) * ((np.abs(x) >> np.maximum(n, 0)) << np.maximum(-n, 0))


def clip(x, n):
    """x limited to n signed bits, +-(2^(n-1) - 1); n = 0 does not limit."""
    limit = 2 ** (n - 1) - 1 if n else np.iinfo(np.int64).max
    return np.clip(x, -limit, limit)


def threshold(entry, mantissa, n):
    """A neuron's threshold from a table that many share: shift(entry * mantissa, n); NEVER and ALWAYS are kept."""
    endless = (entry >= NEVER) | (entry <= ALWAYS)
    return np.where(endless, entry, shift(np.where(endless, 0, entry) * mantissa, n))


class Program:
    """A population or its synapses; ``step(t, messages)`` runs time step t and returns the message sent, or None.

    Attributes:
        p: parameters, integer arrays and scalars by name.
        shape: of its neurons.
        start: first step of its own window; ``starts``: of its operands' windows.
        bits: width at which potentials saturate; v: the potentials.
    """

    def __init__(self, p, shape, start, starts):
        self.p, self.shape, self.start, self.starts = p, shape, start, starts
        self.bits = int(p.get("state_bits", 0))
        self.v = np.zeros(shape, np.int64)
        self.setup()

    def setup(self):
        """Create the state that a program has beside v."""

    def integrate(self, message):
        """Integrate a message: v <- clip(v + message); None is silence."""
        if message is not None:
            self.v = clip(self.v + message, self.bits)


def rows_after(prefixes, steps):
    """Next row (rows, 2T + 1) of a table by spikes sent, for a neuron in a row that sends a code -T .. T. A row stands
    for the codes sent so far, as in ``prefixes``; the next row is 0 where none stands for what was sent."""
    number = {tuple(code for code in prefix if code): row for row, prefix in enumerate(prefixes.tolist())}
    table = np.zeros((len(prefixes), 2 * steps + 1), np.int64)
    for sent, row in number.items():
        if sent and sent[:-1] in number:
            table[number[sent[:-1]], sent[-1] + steps] = row
    return table
