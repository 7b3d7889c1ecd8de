"""`deploy generate`: text from a spiking language model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.answer import answered, asked_json
from deploy.cli.app import app
from deploy.errors import DeployError
from deploy.options import check_choice, check_positive
from deploy.options.checks import check_seed
from deploy.options.declare import Anew, Folder, Trusted
from deploy.options.devices import DEVICE, check_closed_form, check_device
from deploy.output import require_conversion
from deploy.terminal import Terminal

if TYPE_CHECKING:
    from deploy.language.generate import Token


@app.command()
def generate(
    folder: Folder,
    prompt: Annotated[
        str, typer.Option(help="Text to go on from; the user's turn of the model's chat template, if any.")
    ],
    max_new_tokens: Annotated[
        int, typer.Option(help="Stop after so many tokens, if the end does not come before.")
    ] = 32,
    temperature: Annotated[float, typer.Option(help="0 takes the most likely token; above, one is drawn.")] = 0.0,
    top_k: Annotated[int | None, typer.Option(help="Draw among so many of the most likely tokens.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    target: Annotated[str, typer.Option(help="Where to run it; `deploy targets` lists them.")] = "closed-form",
    system: Annotated[
        str | None, typer.Option(help="System's turn before the prompt, of models with a chat template.")
    ] = None,
    chat: Annotated[bool, typer.Option(help="Whether to use the model's chat template, if it has one.")] = True,
    beside_original: Annotated[
        bool, typer.Option("--beside-original", help="Also print what the original model goes on with.")
    ] = False,
    device: Annotated[str, typer.Option(help=DEVICE)] = "cpu",
    trust: Trusted = False,
    model: Anew = None,
) -> None:
    """Goes on with a text, token by token, by a converted language model.

    Example: deploy generate out/llama --prompt "The transistor" --max-new-tokens 16 --beside-original
    """
    check_positive("--max-new-tokens", max_new_tokens)
    check_device(device)
    check_closed_form(device, target)
    check_seed(seed)
    check_positive("--top-k", top_k)
    if not 0 <= temperature < math.inf:
        raise DeployError(f"--temperature {temperature:g}: give 0 for the most likely token, or a number above")
    from targets import registry

    check_choice("--target", target, registry())
    require_conversion(folder)
    from deploy import api
    from deploy.language.generate import Choice
    from deploy.origin import Trust

    conversion = api.load_conversion(folder, trust=Trust(trust, model), device=device)
    console, choice = Terminal(highlight=False), Choice(temperature, top_k, seed)
    given = prompt if system is None else [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
    tokens = []
    for token in conversion.generate(given, max_new_tokens, choice, target, chat):
        tokens.append(token)
        if not asked_json():
            console.print(token.text, end="", markup=False, soft_wrap=True)
    if asked_json():
        theirs = conversion.generate(given, max_new_tokens, choice, None, chat) if beside_original else ()
        answered({"target": target, "tokens": tokens, "original": list(theirs)})
        return
    console.print()
    first, *later = tokens
    console.print(f"{len(tokens)} tokens on {target}; the first ran {first.tokens} tokens: {_cost([first])}")
    if later:
        console.print(f"each further one ran {later[0].tokens}: {_cost(later)}")
    if beside_original:
        theirs = list(conversion.generate(given, max_new_tokens, choice, None, chat))
        same = sum(a is not None and b is not None and a.number == b.number for a, b in zip_longest(tokens, theirs))
        console.print("Original: " + "".join(token.text for token in theirs), markup=False, soft_wrap=True)
        console.print(f"{same} of {max(len(tokens), len(theirs))} tokens are the same, place by place")


def _cost(tokens: Sequence[Token]) -> str:
    """Time steps, spikes and energy per token, on average, in words."""
    spikes, energy = (
        sum(values) / len(tokens) for values in zip(*[(t.spikes, t.microjoules) for t in tokens], strict=True)
    )
    return f"per token {tokens[0].steps:,} time steps, {spikes:,.0f} spikes, {energy:,.3g} µJ"
