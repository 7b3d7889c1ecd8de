"""Attention masks that come from the input, as a pattern that never changes and keys that take part or do not.

A decoder's mask is its causal pattern and the padding of the sample at hand; T5 also adds a bias per head and distance to
it. Pattern and bias are constants of the network. Only which keys take part, one number for each, enters it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from processes.errors import DeployError

MASKED = -1e3  # attention masks are written as large negative numbers; below this a key takes no part
NO_PATTERN = (
    "an attention mask differs between rows, heads or layers by more than a pattern that all samples share; only keys can be "
    "masked: pad sequences on the right"
)


@dataclass(frozen=True)
class Pattern:
    """What of a mask (..., keys) is the same for all samples.

    Attributes:
        allowed: which keys a row may attend to, bool, in the mask's shape.
        bias: what an additive mask adds where it allows, in the mask's shape; None for zeros.
        fills: the mask is boolean and True where a key is left out, as ``masked_fill`` takes it.
    """

    allowed: torch.Tensor
    bias: torch.Tensor | None
    fills: bool = False

    def keys(self, mask: torch.Tensor) -> torch.Tensor:
        """Which keys take part in a sample's mask, bool (keys,).

        A row without any key belongs to padding. It attends to what its pattern and the keys allow; nobody reads it.

        Raises:
            DeployError: the mask is more than this pattern and keys left out, or pattern and keys leave a row nothing.
        """
        keys = taking_part(kept(mask, self.fills))
        if not explains(self, mask):
            raise DeployError(NO_PATTERN)
        if not bool((self.allowed & keys).any(-1).all()):
            raise DeployError(
                "an attention mask leaves a token without any key; give sequences without padding, or padded on the right and, "
                "where attention has a window, by less than that"
            )
        return keys

    def filled(self, mask: torch.Tensor) -> torch.Tensor:
        """A sample's mask whose rows without any key attend to what pattern and keys allow, as the network's do."""
        keep = self.allowed & taking_part(kept(mask, self.fills))
        if mask.dtype == torch.bool:
            return ~keep if self.fills else keep
        return torch.where(keep, torch.zeros_like(mask) if self.bias is None else self.bias, mask)


def kept(mask: torch.Tensor, fills: bool = False) -> torch.Tensor:
    """Where a boolean or additive mask lets a row attend to a key, bool."""
    if mask.dtype == torch.bool:
        return ~mask if fills else mask
    return mask > MASKED


def taking_part(keep: torch.Tensor) -> torch.Tensor:
    """Which keys any row attends to, bool (keys,)."""
    return keep.reshape(-1, keep.shape[-1]).any(0)


def explains(pattern: Pattern, mask: torch.Tensor) -> bool:
    """Whether a mask is the pattern with keys left out, and perhaps rows that are left without any; nothing else."""
    keep = kept(mask, pattern.fills)
    if keep.shape != pattern.allowed.shape:
        return False
    if not torch.equal(keep, pattern.allowed & taking_part(keep) & keep.any(-1, keepdim=True)):
        return False
    if mask.dtype == torch.bool:
        return True
    bias = torch.zeros_like(mask) if pattern.bias is None else pattern.bias
    return torch.equal(mask[keep], bias[keep])


def is_mask(values: Sequence[torch.Tensor]) -> bool:
    """Whether a tensor is a mask, which the example, first, and other arguments gave ``values``.

    Where it is not masked, it never changes; what is as large as a mask but positive comes of arguments that mean nothing.
    """
    if values[0].dtype == torch.bool:
        return True
    if not values[0].is_floating_point() or any(value.shape != values[0].shape for value in values):
        return False
    meant = [value for value in values if not bool((value > -MASKED).any())]
    if len(meant) < 2 or meant[0] is not values[0]:
        return False
    masked = torch.stack(meant) <= MASKED
    lowest, highest = (torch.stack(meant).masked_fill(masked, end) for end in (torch.inf, -torch.inf))
    return bool(((lowest.amin(0) == highest.amax(0)) | masked.all(0)).all())


def pattern_of(values: Sequence[torch.Tensor], fills: bool) -> Pattern:
    """The pattern of a mask that the example, first, and other arguments gave ``values``: the widest that explains the example.

    It is another argument's, never the example's own, which may lack keys that later samples have.

    Raises:
        DeployError: none of them explains the example.
    """

    def pattern(value: torch.Tensor) -> Pattern:
        keep = kept(value, fills)
        plain = value.dtype == torch.bool or bool((value[keep] == 0).all())
        return Pattern(keep, None if plain else value.masked_fill(~keep, 0), fills)

    found = [p for p in map(pattern, values[1:] or values) if explains(p, values[0])]
    if not found:
        raise DeployError(NO_PATTERN)
    return max(found, key=lambda p: int(p.allowed.sum()))
