"""Compiled loops: of the closed forms, of the steppers, and of choosing codes and rounding weights.

Loops in which neurons fire see arrays as (rows, A, M, D): parameters vary along A and D and repeat along the rest, so
that one loop serves token features (A = M = 1 or A = 1), image channels (D = 1) and attention heads (A = heads).

``lookup`` counts thresholds by a logarithm where they are a progression (``progression``), or reads the codes of all
spikes off tables, by the leading bits of a normalised potential, and says which are unsure; for these ``fire`` (phase
and dynamic-threshold neurons) and ``race`` (softmax) make the comparisons of the definition, step by step. ``decode``
turns codes back into numbers, and ``bounds`` says which sums of them may have been clipped. Of the steppers, ``rules`` has
the formulas, ``stepped`` the loops of one time step, and ``windows`` those of all steps of a window.
"""
