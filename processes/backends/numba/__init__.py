"""Kernels on the CPU: compiled loops over numpy views of tensors, without a copy."""

from processes.backends.numba.accumulate import step_rows
from processes.backends.numba.bounds import decode_norms, may_clip
from processes.backends.numba.decode import decode, decode_sizes, row_sums
from processes.backends.numba.fire import fire, fire_falling, race
from processes.backends.numba.fitted import fire_digits, fire_exp, fire_fitted, spelled
from processes.backends.numba.grouped import grouped
from processes.backends.numba.linear import linear, one_sided
from processes.backends.numba.product import square_sum, square_sum_shifted, step_pairs
from processes.backends.numba.residual import add_up, centre
from processes.backends.torch.fitted import fire_rate, fire_train

__all__ = [
    "add_up", "centre", "decode", "decode_norms", "decode_sizes", "fire", "fire_digits", "fire_exp", "fire_falling",
    "fire_fitted", "fire_rate", "fire_train", "grouped", "linear", "may_clip", "one_sided", "race", "row_sums", "spelled",
    "square_sum", "square_sum_shifted", "step_pairs", "step_rows",
]  # fmt: skip
