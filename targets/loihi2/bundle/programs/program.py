"""Integers, and what every program has: parameters, a potential, the windows of its operands."""

import numpy as np

NEVER, ALWAYS = 2**31 - 1, -(2**31)  # thresholds that no potential, and every potential, reaches


def shift(x, n):
    """To the right toward zero, or to the left."""
    n = np.asarray(n)
    return np.sign(x) * ((np.abs(x) >> np.maximum(n, 0)) << np.maximum(-n, 0))


def clip(x, n):
    """Saturation at n signed bits; n = 0 is none."""
    limit = 2 ** (n - 1) - 1 if n else np.iinfo(np.int64).max
    return np.clip(x, -limit, limit)


def threshold(entry, mantissa, n):
    """A neuron's threshold from a table that many share: shift(entry * mantissa, n); endless entries stay endless."""
    endless = (entry >= NEVER) | (entry <= ALWAYS)
    return np.where(endless, entry, shift(np.where(endless, 0, entry) * mantissa, n))


class Program:
    """A population or its synapses: ``p`` parameters, ``start`` of its window, ``starts`` of its operands' windows."""

    def __init__(self, p, shape, start, starts):
        self.p, self.shape, self.start, self.starts = p, shape, start, starts
        self.bits = int(p.get("state_bits", 0))
        self.v = np.zeros(shape, np.int64)
        self.setup()

    def setup(self):
        """More state."""

    def integrate(self, message):
        """v <- clip(v + message)."""
        if message is not None:
            self.v = clip(self.v + message, self.bits)


def rows_after(prefixes, steps):
    """Row (rows, 2T + 1) of a table by what was sent that a neuron is in after a code -T .. T in a row; 0 is nobody's."""
    number = {tuple(code for code in prefix if code): row for row, prefix in enumerate(prefixes.tolist())}
    table = np.zeros((len(prefixes), 2 * steps + 1), np.int64)
    for sent, row in number.items():
        if sent and sent[:-1] in number:
            table[number[sent[:-1]], sent[-1] + steps] = row
    return table
