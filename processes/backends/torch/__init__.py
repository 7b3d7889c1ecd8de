"""Kernels in plain torch, for any device with 64-bit floats: the definition of every backend."""

from processes.backends.torch.accumulate import step_rows
from processes.backends.torch.bounds import decode_norms, may_clip
from processes.backends.torch.decode import decode, decode_sizes, row_sums
from processes.backends.torch.falling import fire_falling
from processes.backends.torch.fire import fire
from processes.backends.torch.fitted import fire_digits, fire_exp, fire_fitted, fire_rate, fire_train, spelled
from processes.backends.torch.grouped import grouped
from processes.backends.torch.linear import linear, one_sided
from processes.backends.torch.product import square_sum, square_sum_shifted, step_pairs
from processes.backends.torch.race import race
from processes.backends.torch.residual import add_up, centre

__all__ = [
    "add_up", "centre", "decode", "decode_norms", "decode_sizes", "fire", "fire_digits", "fire_exp", "fire_falling",
    "fire_fitted", "fire_rate", "fire_train", "grouped", "linear", "may_clip", "one_sided", "race", "row_sums", "spelled",
    "square_sum", "square_sum_shifted", "step_pairs", "step_rows",
]  # fmt: skip
