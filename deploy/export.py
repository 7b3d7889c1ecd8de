"""`deploy export`: a converted network as NIR (whole, plain or in segments), as a Loihi 2 bundle or as a C program."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch

from deploy import api
from deploy.errors import DeployError
from deploy.golden import golden_file, of_network, of_standard, write_golden
from deploy.options import check_choice
from deploy.origin import NO_TRUST, Trust
from deploy.output import check_free, output_folder
from deploy.report import read_figures
from evaluator.closed_form import ClosedForm
from evaluator.nir_reader import read_graph
from processes.files import write_hdf5
from processes.network import Network, Synapse
from processes.operation import Result
from targets.c99 import write_c
from targets.loihi2 import write_bundle
from targets.nir_plain import DIALECTS, form_of, plain_network, stages_of, store_plain, write_plain
from targets.nir_segments import cut

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Exported:
    """The files or folders that were written, and a line about them for the user."""

    files: tuple[Path, ...]
    note: str


def export(
    folder: Path,
    out: Path,
    form: str = "whole",
    dialect: str = "snntorch",
    samples: int = 10,
    force: bool = False,
    trust: Trust = NO_TRUST,
) -> Exported:
    """Export the network of a conversion.

    Args:
        folder: the conversion's folder.
        out: the file to write ("whole", "plain") or the folder.
        form: "whole": one NIR file, this package's operations as nested graphs; "plain": one NIR file of LIF, Affine
            and Conv2d, and the input of ``samples`` evaluation samples beside it; "segments": a folder of plain graphs
            and a manifest; "loihi2": the bundle of :mod:`targets.loihi2`; "c": the C program of :mod:`targets.c99` with
            ``samples`` evaluation samples. Whole and plain files get golden data beside them (:mod:`deploy.golden`).
        dialect: simulator whose conventions plain graphs and segments follow.
        force: replace a file or an earlier export.
        trust: whose code may run when the original model is loaded for evaluation samples.

    Raises:
        DeployError: ``folder`` holds no conversion, the network has no such form, or ``out`` cannot be written.
    """
    check_choice("--dialect", dialect, DIALECTS)
    check_free(out, force)
    network = api.load_conversion(folder).network
    if form == "whole":
        _write(out, lambda content: nir.write(content, network.to_nir()))
        held = f"{len(network.nodes)} operations, {out.stat().st_size:,} bytes"
        sample = read_figures(folder).sample
        if sample is None:  # the folder's figures.npz is absent or holds no sample
            return Exported((out,), held)
        write_golden(golden_file(out), of_network(network, sample))
        return Exported((out, golden_file(out)), f"{held}; one sample's spikes and potentials beside them")
    if form == "loihi2":
        with output_folder(out, force, ("run.py", "network.json")) as scratch:
            placement = write_bundle(network, api.evaluation_inputs(folder, 1, trust), scratch)
        return Exported(
            (out,), f"{len(network.nodes)} operations on {placement.cores} cores; `python {out}/run.py` checks it"
        )
    if form == "c":
        with output_folder(out, force, ("network.c", "samples.c")) as scratch:
            program = write_c(network, api.evaluation_inputs(folder, samples, trust), scratch)
        held = f"{program.constant_bytes:,} bytes of constants, {program.state_bytes:,} of state"
        return Exported((out,), f"{len(network.nodes)} operations in C99, {held}; `make -C {out} check` checks it")
    if form == "segments":
        return _segments(network, out, dialect, force)
    plain = plain_network(stages_of(network), form_of(network), DIALECTS[dialect])
    data = out.with_name(f"{out.stem}.data.nir")
    inputs = plain.encode(input_codes(network, api.evaluation_inputs(folder, samples, trust)))
    observed = nir.TimeGriddedData(inputs.reshape(*inputs.shape[:2], -1), DIALECTS[dialect].dt)
    _write(out, lambda content: store_plain(content, plain.graph))
    _write(
        data, lambda content: nir.write_data(content, nir.NIRGraphData({"input": nir.NIRNodeData({"input": observed})}))
    )
    write_golden(golden_file(out), of_standard(read_graph(out), inputs[0]))
    layers = "1 layer" if len(plain.names) == 1 else f"{len(plain.names)} layers"
    note = f"{layers} of LIF in the conventions of {dialect}, {len(plain.lines)} steps a sample"
    return Exported((out, data, golden_file(out)), note)


def input_codes(network: Network, x: np.ndarray) -> np.ndarray:
    """Codes (planes, N, ...) that the first synapse receives for samples (N, *input), without a leading 1."""
    first = next(name for name, node in network if isinstance(node.op, Synapse))
    wanted = network.nodes[first].inputs[0]
    seen: dict[str, np.ndarray] = {}

    def observe(name: str, op: Any, result: Result) -> None:
        if name == wanted:
            seen[name] = result.values.numpy()

    ClosedForm(network, torch.float64).run(x, observe)
    return seen[wanted][:, :, 0]


def _segments(network: Network, out: Path, dialect: str, force: bool) -> Exported:
    """Write a folder with a NIR file for each plain segment, and a manifest that says what runs each node."""
    segments = cut(network, dialect)
    place = {name: f"{i:03d}.nir" for i, s in enumerate(segments) for name in (s.synapse, s.neuron) if name}
    nodes = [
        {"name": name, "operation": node.op.name, "operands": list(node.inputs), "shape": list(node.op.shape),
         "runs": place.get(name, "deploy")}
        for name, node in network
    ]  # fmt: skip
    manifest = {"dialect": dialect, "about": "what `runs` in a file is plain NIR, the rest are deploy's operations",
                "nodes": nodes}  # fmt: skip
    if force and (out / MANIFEST).is_file():  # of an earlier export alone; other files stay
        for old in (out / MANIFEST, *out.glob("[0-9][0-9][0-9].nir")):
            old.unlink()
    with output_folder(out) as scratch:
        for i, segment in enumerate(segments):
            write_plain(scratch / f"{i:03d}.nir", segment.plain.graph)
        (scratch / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    files = tuple(out / name for name in (MANIFEST, *(f"{i:03d}.nir" for i in range(len(segments)))))
    return Exported(
        files, f"{len(segments)} plain segments for {dialect}, {len(nodes) - len(place)} operations between"
    )


def _write(path: Path, write: Callable[[Any], None]) -> None:
    """Write an HDF5 file whole or not at all; raises DeployError if the path cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_hdf5(path, write)
    except OSError as error:
        raise DeployError(f"-o {path}: cannot be written ({error.strerror}); choose another file") from error
