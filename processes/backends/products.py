"""Products with the weights of dense layers, by whichever of PyTorch's libraries is the faster one.

On the CPU ``torch.nn.functional.linear`` multiplies float32 by Intel's MKL, which on a processor of AMD with AVX-512 took twice
as long as oneDNN, a part of PyTorch too (docs/speed.md).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch

Linear = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]

PAYS = 2**20
"""Products of single numbers from which a call of oneDNN, which begins more slowly, is done sooner."""


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x W^T + b (..., out) of x (..., in), weights W (out, in) and a bias (out,), in the type of x; differentiable in x.

    Sums of whole numbers are exact in float32, in any order of summation, while no partial sum reaches 2^24.
    """
    wide = x.dtype == torch.float32 and x.device.type == "cpu" and x.numel() * len(weight) >= PAYS
    if wide and not x.requires_grad and (own := onednn()) is not None:
        return own(x, weight, bias)
    return torch.nn.functional.linear(x, weight, bias)


@cache
def onednn() -> Linear | None:
    """oneDNN's product of dense tensors, which has no gradients; None where PyTorch was built without it, or it saves nothing.

    The operation is one that PyTorch's own compiler calls, so that another version may have another one: what it returns is
    compared with the definition once.
    """
    operation = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if operation is None or not torch.cpu.get_capabilities().get("avx512_f"):
        return None

    def product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return operation(x.contiguous(), weight, bias, "none", [], "")

    x, weight, bias = torch.ones(1, 2, 3), torch.arange(12.0).reshape(4, 3), torch.arange(4.0)
    try:
        right = torch.equal(product(x, weight, bias), torch.nn.functional.linear(x, weight, bias))
    except (RuntimeError, TypeError):  # it takes other arguments
        return None
    return product if right else None
