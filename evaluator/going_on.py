"""Checks law two: a run token by token from held traces equals one over the whole sequence (docs/language.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import torch

from evaluator.continued import NOTHING, Continued, Held
from processes.operation import Operation, Result


def differing(
    continued: Continued,
    x: torch.Tensor,
    whole: Mapping[str, Result],
    cuts: Sequence[int],
    change: Callable[[Held], Held] = lambda held: held,
) -> tuple[Counter[str], int]:
    """Compare a run in parts with a run over the whole sequence: every spike, potential and count of clips.

    Args:
        continued: runs the network in parts.
        x: inputs (N, 1, tokens, features).
        whole: every node's result in a run over all tokens at once.
        cuts: for each part, the number of tokens up to its end, ascending.
        change: applied to the held traces between parts; for negative controls.

    Returns:
        The number of differing values by node, and the number of values compared.

    Raises:
        ValueError: the results of a part have other shapes than those of the same tokens in ``whole``, or a node of
            ``whole`` was not compared.
    """
    held = NOTHING
    found: Counter[str] = Counter()
    compared = 0
    for stop in cuts:
        first = held.tokens

        def compare(name: str, _: Operation, result: Result, first: int = first, stop: int = stop) -> None:
            nonlocal compared
            axes, expected = continued.answers[name].axes, whole[name]
            for own, all_tokens in ((result.values, expected.values), (result.clips, expected.clips)):
                if own is None and all_tokens is None:
                    continue
                if all_tokens is None:
                    all_tokens = torch.zeros_like(expected.values)
                wanted = all_tokens.narrow(axes.rows, first, stop - first)
                wanted = wanted if axes.columns is None else wanted.narrow(axes.columns, 0, stop)
                own = torch.zeros_like(wanted) if own is None else own
                if own.shape != wanted.shape:
                    raise ValueError(f"'{name}' gives {tuple(own.shape)} for tokens of {tuple(wanted.shape)}")
                found[name] += int((own != wanted).sum())
                compared += own.numel()

        held = change(continued.run(held, x[:, :, first:stop], lambda part, compare=compare: compare)[1])
    if missing := whole.keys() - found.keys():
        raise ValueError(f"not compared: {', '.join(sorted(missing))}")
    return found, compared
