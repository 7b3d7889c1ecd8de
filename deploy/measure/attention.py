"""Attention maps of one sample: the original's softmax weights, and those decoded from the network's spikes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluator.closed_form import ClosedForm
from processes.network import ConvSynapse, Network, SiExp, Woss
from processes.operation import Operation, Result
from processes.spikes import decode

PREFIX = 8  # largest number of tokens before those of the image, such as a class token
SHOWN = 32  # largest number of text tokens shown


@dataclass(frozen=True)
class AttentionMap:
    """Attention weights of one layer, mean over its heads.

    original, spiking: for an image (patch rows, patch columns), the class token's attention to each patch or, without
    class token, the mean of all patches'; for a text (tokens, tokens), each row one token's attention.
    cosine: between the weights of all heads, queries and keys. image: whether it is of an image.
    tokens: the text's words, if known.
    """

    name: str
    heads: int
    original: np.ndarray
    spiking: np.ndarray
    cosine: float
    image: bool
    tokens: tuple[str, ...] = ()


def attention_maps(
    ideal: Network, runner: ClosedForm, sample: np.ndarray, tokens: Sequence[str] = ()
) -> list[AttentionMap]:
    """One map for each layer with global attention of a ``sample`` (*sample); ``tokens``: its words without padding."""
    original, spiking = _weights(ClosedForm(ideal, ideal=True), sample), _weights(runner, sample)
    grids = {op.shape[-2:] for op in (node.op for _, node in ideal) if isinstance(op, ConvSynapse)}
    found: list[AttentionMap] = []
    for name in original.keys() & spiking.keys():
        before, after = original[name], spiking[name]
        queries, keys = before.shape[-2:]
        cosine = float((before * after).sum() / (np.linalg.norm(before) * np.linalg.norm(after) or 1.0))
        rest = [(keys - math.prod(grid), grid) for grid in grids if 0 <= keys - math.prod(grid) <= PREFIX]
        if rest and not tokens:
            first, grid = min(rest)
            rows = slice(1) if first else slice(None)
            one, other = (weights.mean(0)[rows, first:].mean(0).reshape(grid) for weights in (before, after))
        elif queries == keys:
            shown = min(len(tokens) or keys, SHOWN)
            one, other = (weights.mean(0)[:shown, :shown] for weights in (before, after))
        else:
            continue
        image = bool(rest and not tokens)
        found.append(AttentionMap(name, len(before), one, other, cosine, image, tuple(tokens[:SHOWN])))
    order = list(ideal.nodes)
    return sorted(found, key=lambda layer: order.index(layer.name))


def _weights(runner: ClosedForm, sample: np.ndarray) -> dict[str, np.ndarray]:
    """Softmax weights (heads, queries, keys) by node, of softmax nodes with one window, that is, global attention."""
    found: dict[str, np.ndarray] = {}

    def observe(name: str, op: Operation, result: Result) -> None:
        output = result.values
        if isinstance(op, (SiExp, Woss)) and len(op.shape) > 2 and math.prod(op.shape[:-3]) == 1:
            if runner.ideal:
                e = output
            else:
                e = op.decoded(output) if isinstance(op, SiExp) else decode(output, op.code.levels)
            e = e.reshape(op.shape[-3:]).double().cpu().numpy()
            found[name] = e / np.maximum(e.sum(-1, keepdims=True), 1e-30)

    runner.run(sample[None], observe)
    return found
