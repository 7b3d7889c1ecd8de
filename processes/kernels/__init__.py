"""Compiled loops of the closed forms: when does each neuron fire, and what do its spikes decode to.

All kernels see arrays as (rows, A, M, D): parameters vary along A and D and repeat along the rest, so that one
loop serves token features (A = M = 1 or A = 1), image channels (D = 1) and attention heads (A = heads).

``lookup`` reads the codes of all spikes off tables, by the leading bits of a normalised potential, and says where that is
unsure; there ``fire`` makes the comparisons of the definition, step by step. ``race`` is softmax's; ``decode`` turns codes
back into numbers.
"""
