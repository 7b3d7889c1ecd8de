"""Exports a converted fixed-point network as a folder of C99 source, a program that checks itself.

``bundle/`` holds the C: kernels by kind of operation, copied as they are, and templates of the files that depend on
the network. ``kernels/`` chooses an operation's kernel and constants, ``program.py`` assembles a network, ``memory.py``
lays out its state, and ``golden.py`` computes the values that the check compares with.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import jinja2
import numpy as np

from processes.network import Network, Readout, synapses
from targets.c99.golden import FACTOR, golden
from targets.c99.kernels import NO_KERNEL
from targets.c99.program import Program, compile_network

__all__ = ["NO_KERNEL", "write_c"]

COPIED = ("main.c", "Makefile")
"""Files of ``bundle/`` that are copied unchanged, beside ``kernels/``."""
TEMPLATES = ("network.h", "network.c", "constants.h", "samples.h", "samples.c", "README.md")
KERNEL_KB, NODE_KB = 9.7, 0.13
"""Size of compiled code in kB: of all kernels, and of one node in network_step, by gcc 12 for x86-64 at -Os."""


def write_c(network: Network, samples: np.ndarray, folder: Path) -> Program:
    """Write a fixed-point network as C source into an existing, empty folder.

    Args:
        network: converted to integers.
        samples: (N, *input) in real units, whose closed form the exported program compares itself with.
        folder: where to write.

    Returns:
        What the templates were filled with, from which callers take sizes.

    Raises:
        DeployError: the network is floating point, or has an operation that is not exported; nothing is written then.
    """
    program, compared = compile_network(network), golden(network, samples)
    readout = network[network.output]
    assert isinstance(readout, Readout)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("targets.c99", "bundle"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # C and Markdown
    )
    environment.filters |= {"lines": lines, "comment": comment}
    about = {
        "program": program, "golden": compared, "factor": FACTOR, "code": round(KERNEL_KB + NODE_KB * len(program.steps)),
        "input_shape": " x ".join(map(str, network.input_shape)),
        "input_unit": repr(float(network.header.stated("input_unit"))),
        "state_bits": readout.state_bits, "output_units": output_units(readout.unit),
        "weight_bytes": sum(op.weight.nbytes for _, op in synapses(network)),
    }  # fmt: skip
    with resources.as_file(resources.files("targets.c99") / "bundle") as bundle:
        for name in COPIED:
            shutil.copyfile(bundle / name, folder / name)
        shutil.copytree(bundle / "kernels", folder / "kernels")
    for name in TEMPLATES:
        text = environment.get_template(f"{name}.jinja").render(about)
        (folder / name).write_text(text, encoding="utf-8")
    return program


def lines(values: np.ndarray, form: str = "{}") -> str:
    """Format an array's values for a C initialiser, in lines of at most 120 characters; ``form`` formats one value."""
    text, line = [], "   "
    for value in _numbers(values):
        word = f" {form.format(value)},"
        if len(line) + len(word) > 120:
            text.append(line)
            line = "   "
        line += word
    return "\n".join([*text, line]) + "\n"


def _numbers(values: np.ndarray) -> Iterable[str]:
    """Values as C literals; the lowest values of 32 and 64 bits, which have no literal, as INT32_MIN and INT64_MIN."""
    lowest = {-(2**31): "INT32_MIN", -(2**63): "INT64_MIN"}
    return (lowest.get(value, str(value)) for value in values.reshape(-1).tolist())


def comment(name: str) -> str:
    """Make a node's name safe for a C comment or string: characters but letters, digits and ``._-`` become ``_``."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name.encode("ascii", "replace").decode())


def output_units(unit: np.ndarray) -> str:
    """A sentence for the README that says by what unit to multiply integer outputs to get real numbers."""
    values = [repr(float(value)) for value in unit.reshape(-1)]
    if len(set(values)) == 1:
        return f"An output times {values[0]} is in the model's units; the largest output is the largest there."
    return f"Outputs times these are in the model's units: {', '.join(values)}."
