"""Compiled loops of the closed forms: when does each neuron fire, and what do its spikes decode to.

All kernels see arrays as (rows, A, M, D): parameters vary along A and D and repeat along the rest, so that one
loop serves token features (A = M = 1 or A = 1), image channels (D = 1) and attention heads (A = heads).

``lookup`` reads codes off tables by the leading bits of a normalised potential. Where this is not exact itself it is a
guess, which ``settle`` confirms by the comparisons of the definition, or replaces: the same step comes out whatever the
guess. ``race`` is softmax's; ``decode`` turns codes back into numbers.
"""
