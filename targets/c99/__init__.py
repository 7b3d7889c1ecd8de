"""C99: a converted fixed-point network as a folder that a C compiler makes a program of, which checks itself.

``bundle/`` holds the C: kernels by kind of operation, copied as they are, and templates of what depends on the network.
``kernels/`` says which kernel an operation takes, ``program.py`` puts a network together, ``memory.py`` its state, and
``golden.py`` what is compared.
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
TEMPLATES = ("network.h", "network.c", "constants.h", "samples.h", "samples.c", "README.md")
KERNEL_KB, NODE_KB = 9.7, 0.13
"""Of all kernels, and of a node in network_step: gcc 12 for x86-64 at -Os."""


def write_c(network: Network, samples: np.ndarray, folder: Path) -> Program:
    """Writes the program of a fixed-point network and samples (N, *input) in real units into an existing, empty folder.

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
    """Numbers as lines of C."""
    text, line = [], "   "
    for value in _numbers(values):
        word = f" {form.format(value)},"
        if len(line) + len(word) > 120:
            text.append(line)
            line = "   "
        line += word
    return "\n".join([*text, line]) + "\n"


def _numbers(values: np.ndarray) -> Iterable[str]:
    """As C writes them: it has no literals for the lowest of 32 and 64 bits."""
    lowest = {-(2**31): "INT32_MIN", -(2**63): "INT64_MIN"}
    return (lowest.get(value, str(value)) for value in values.reshape(-1).tolist())


def comment(name: str) -> str:
    """A node's name as C may quote it, in a comment or a text."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name.encode("ascii", "replace").decode())


def output_units(unit: np.ndarray) -> str:
    """How outputs become real numbers, in words."""
    values = [repr(float(value)) for value in unit.reshape(-1)]
    if len(set(values)) == 1:
        return f"An output times {values[0]} is in the model's units; the largest output is the largest there."
    return f"Outputs times these are in the model's units: {', '.join(values)}."
