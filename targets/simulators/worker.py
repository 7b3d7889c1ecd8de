"""Imports a plain NIR graph into a simulator, steps it, and records its spikes. Imports nothing of this package.

    worker.py NAME graph.nir inputs.npy runs.npz
    worker.py NAME                                      prints versions

It also runs as a program, in the Python environment of a simulator that cannot share this one.
"""

import contextlib
import inspect
import io
import sys
import warnings
from importlib.metadata import version

import nir
import numpy as np
import torch


def _snntorch(graph, inputs, subtract):
    from snntorch.import_nir import import_from_nir

    module = import_from_nir(graph)
    for cell in module.modules():
        if subtract and hasattr(cell, "reset_mechanism"):  # NIR cannot express it, so it is set after the import
            cell.reset_mechanism, cell.reset_delay, cell.state_function = "subtract", True, cell._base_sub
    return module


def _norse(graph, inputs, subtract):
    from norse.torch import from_nir
    from norse.torch.functional.reset import reset_subtract

    module = from_nir(graph, ignore_warnings=True)
    for cell in module.modules():
        if hasattr(cell, "p"):  # parameters are a tuple of tensors, which Module.to does not see
            cell.p = type(cell.p)(*(v.double() if torch.is_tensor(v) else v for v in cell.p))
            if subtract:
                cell.p = cell.p._replace(reset_method=reset_subtract)
    return module


def _spikingjelly(graph, inputs, subtract):
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    module = import_from_nir(graph, dtype=torch.float64)
    for cell in module.modules():
        if subtract and hasattr(cell, "v_reset"):
            cell.v_reset = None
    return module


def _sinabs(graph, inputs, subtract):
    """Import into sinabs, whose neurons subtract and may send several spikes a step unless changed after the import."""
    from sinabs.activation import MembraneReset, SingleSpike
    from sinabs.nir import from_nir

    module = from_nir(graph, batch_size=len(inputs))
    for cell in module.modules():
        if not subtract and hasattr(cell, "reset_fn"):
            cell.reset_fn, cell.spike_fn = MembraneReset(), SingleSpike
            cell.min_v_mem = None  # else an IF's potential is cut at -threshold
    return module


UNCHECKED = {"type_check": False} if "type_check" in inspect.signature(nir.read).parameters else {}
"""Turns off NIR's type check, which rejects inputs of tokens x features; old versions have no such check."""
IMPORTERS = {"snntorch": _snntorch, "norse": _norse, "spikingjelly": _spikingjelly, "sinabs": _sinabs}


def run(name, graph, inputs, dtype=torch.float64):
    """Run inputs (N, T, *shape); returns outputs (N, T, *shape), and spikes (N, T, *shape) of every LIF by node name.

    The graph is copied, since importers change it, and their messages and warnings are suppressed.
    """
    fresh = nir.NIRGraph(dict(graph.nodes), list(graph.edges), **UNCHECKED)
    subtract = str(graph.metadata.get("reset", "v_reset")) == "subtract"
    spikes = {key: [] for key, node in fresh.nodes.items() if isinstance(node, nir.LIF)}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        module = IMPORTERS[name](fresh, inputs, subtract).to(dtype)
        for key, kept in spikes.items():
            module.get_submodule(key).register_forward_hook(_watch(kept, dtype))
        state, outputs = None, []
        for t in range(inputs.shape[1]):
            y, state = module(torch.from_numpy(inputs[:, t]).to(dtype), state)
            outputs.append(y.numpy())
    return np.stack(outputs, 1), {key: np.stack(kept, 1) for key, kept in spikes.items()}


def _watch(kept, dtype):
    """A forward hook that appends a module's spikes to ``kept`` and passes them on as ``dtype`` (some make float32)."""

    def hook(module, arguments, out):
        spikes = out[0] if isinstance(out, tuple) else out
        kept.append(spikes.numpy())
        return (spikes.to(dtype), *out[1:]) if isinstance(out, tuple) else spikes.to(dtype)

    return hook


def versions(name):
    """Versions of the simulator, of the packages that it depends on, and of Python, as one line of text."""
    packages = dict.fromkeys([name, "nir", "nirtorch", "torch"])
    found = [f"{package} {version(package)}" for package in packages]
    return ", ".join([*found, f"Python {sys.version_info.major}.{sys.version_info.minor}"])


def main(name, graph=None, inputs=None, out=None):
    """Read a graph and inputs, run them and write the results; with a name alone, print versions."""
    if graph is None:
        print(versions(name))
        return
    outputs, spikes = run(name, nir.read(graph, **UNCHECKED), np.load(inputs))
    np.savez(out, outputs=outputs, **{f"spikes:{key}": kept.astype(np.uint8) for key, kept in spikes.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
