"""Law two, checked: tokens one after another from held traces against the whole sequence at once (docs/language.md)."""

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
    """By node, how many spikes, potentials and clips differ between the whole run and one in parts; and how many there are.

    Args:
        continued: of the network.
        x: inputs (N, 1, tokens, features).
        whole: every node's result on all of them at once.
        cuts: after how many tokens each part ends.
        change: what is done to what is held between parts, for negative controls.

    Raises:
        ValueError: a part's results have other shapes than the same tokens of the whole run, or a node is missing.
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
