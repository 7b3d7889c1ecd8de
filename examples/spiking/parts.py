"""What the spiking transformers of this folder share. Signals are (T, batch, ...) throughout."""

from __future__ import annotations

from torch import Tensor, nn

from converters.trained.nodes import MultiStepLIFNode


def lif(v_threshold: float = 1.0) -> MultiStepLIFNode:
    """The neuron of all of these papers: tau = 2, reset to zero, kept out of gradients."""
    return MultiStepLIFNode(tau=2.0, v_threshold=v_threshold, detach_reset=True)


def fold(x: Tensor, *layers: nn.Module) -> Tensor:
    """Layers that know no time, on all steps at once."""
    y = x.flatten(0, 1)
    for layer in layers:
        y = layer(y)
    return y.unflatten(0, x.shape[:2])


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A convolution that keeps the number of pixels at stride 1."""
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=bias)


def pool() -> nn.MaxPool2d:
    """Halves height and width."""
    return nn.MaxPool2d(3, 2, 1)


def split(x: Tensor, heads: int) -> Tensor:
    """(T, batch, N, C) as (T, batch, heads, N, C / heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(2, 3)


def join(x: Tensor) -> Tensor:
    """(T, batch, heads, N, C / heads) as (T, batch, N, C)."""
    return x.transpose(2, 3).flatten(3)


def repeated(x: Tensor, steps: int) -> Tensor:
    """An image (batch, ...) shown for so many steps; frames (T, batch, ...) stay as they are."""
    return x if x.ndim == 5 else x.unsqueeze(0).repeat(steps, *[1] * x.ndim)
