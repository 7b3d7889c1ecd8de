"""Attention masks that come from the input, as a pattern that never changes and keys that take part or do not.

A decoder's mask is its causal pattern and the padding of the sample at hand; T5 also adds a bias per head and distance.
Pattern and bias are constants of the network. All that enters it as input is which keys take part, 0 or 1 for each key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from processes.errors import DeployError

MASKED = -1e3  # additive masks leave keys out by large negative numbers: at or below this one a key takes no part
NO_PATTERN = (
    "an attention mask differs between rows, heads or layers by more than a pattern that all samples share; only keys can be "
    "masked: pad sequences on the right"
)


@dataclass(frozen=True)
class Pattern:
    """The part of an attention mask (..., keys) that is the same for all samples.

    Attributes:
        allowed: which keys a row may attend to, bool, in the mask's shape.
        bias: what an additive mask adds to the logits of allowed keys, in the mask's shape; None for zeros.
        fills: whether a boolean mask is True where a key is left out, as ``masked_fill`` takes it.
    """

    allowed: torch.Tensor
    bias: torch.Tensor | None
    fills: bool = False

    def keys(self, mask: torch.Tensor) -> torch.Tensor:
        """Which keys take part according to a sample's mask, bool (keys,).

        A row without any key belongs to padding. It attends to what its pattern and the keys allow; no output reads it.

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
        """A sample's mask in which rows without any key attend to what pattern and keys allow, as in the network."""
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
    """Whether a tensor is an attention mask, judged by its ``values`` for the example (first) and for other arguments.

    A boolean tensor is one. A floating-point tensor is one if no entry that is not masked changes between arguments;
    values with entries above ``-MASKED`` come of arguments without a meaning and are left out.
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
    """The pattern of a mask, of which ``values`` are those for the example (first) and for other arguments.

    It is the widest pattern among those of the other arguments that explains the example. The example's own pattern may
    lack keys that later samples have; it is taken only if there are no other arguments.

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
