"""Runs our exports in other simulators and compares them with the closed form; writes docs/interop.md.

    make interop        builds environments for sinabs and SpikingJelly, then runs this

Everything goes through files, as for a user: convert, export, import by the simulator's own importer. The models are
two small networks of rectified linear units trained on Fashion-MNIST (examples/fashion_models.py), and the demo's
transformer. Fails if a simulator does not agree as well as docs/nir.md says.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import nir
import numpy as np
import torch
import typer

import deploy
from deploy import api, demo
from deploy.execute import execute
from deploy.export import export
from deploy.origin import Trust
from deploy.progress import Progress
from evaluator.closed_form import ClosedForm
from evaluator.nir_reader import read_graph
from processes.network import Network, PhaseNeuron, RateNeuron
from processes.operation import Result
from targets.nir_plain import DIALECTS, form_of, plain_network, stages_of
from targets.simulators import SIMULATORS, simulate, versions

TRUST = Trust(files=True)
"""Permits to load the models, which are this repository's own Python files."""

EXAMPLES = Path(__file__).parents[1] / "examples"
TABLE = Path(__file__).parents[1] / "docs" / "interop.md"
LEAST = 0.99
"""Fraction of predictions that have to equal the closed form's."""
TIES = 1e-4
"""Fraction of spikes that may differ: simulators hold weights in single precision, which decides ties."""
INTRODUCTION = """# Our exports in other simulators

Written by `make interop`; {samples} test images of Fashion-MNIST. What differs in snnTorch, Norse and SpikingJelly are ties,
decided by weights in single precision. In sinabs silence is sent as the lowest level of a phase code, and nothing stops a rate
code at T spikes ([nir.md](nir.md)).
"""
CODES: dict[str, dict[str, Any]] = {
    "phase": {"timesteps": 40, "base": 1.15},
    "rate": {"timesteps": 32, "method": "rate-coded"},
}


@dataclass(frozen=True)
class Row:
    """Result of one export in one simulator.

    Attributes:
        export, simulator: names for the table.
        neurons, same_spikes: neurons compared, in all samples, and those whose spikes equal the closed form's.
        samples, same_predictions: samples, and those with the closed form's prediction.
        exact: whether spikes have to be the same. In sinabs, whose resets subtract and whose neurons may send several
            spikes a step, a phase code sends its lowest level for silence, and nothing stops a rate code at T spikes.
    """

    export: str
    simulator: str
    neurons: int
    same_spikes: int
    samples: int
    same_predictions: int
    exact: bool = True

    @property
    def holds(self) -> bool:
        """Whether spikes (if ``exact``) and predictions agree as well as TIES and LEAST demand."""
        spikes = not self.exact or self.neurons - self.same_spikes <= TIES * self.neurons
        return spikes and self.same_predictions >= LEAST * self.samples

    def written(self) -> str:
        """The row as a line of the Markdown table."""
        spikes = f"{self.same_spikes:,} of {self.neurons:,}" if self.neurons else ""
        return f"| {self.export} | {self.simulator} | {spikes} | {self.same_predictions} of {self.samples} |"


def plain_rows(folder: Path, samples: int) -> Iterator[Row]:
    """Convert both networks of rectified linear units in both codes, and yield a row for each simulator."""
    images, labels = demo.evaluation_data()
    calibration = demo.calibration_data()[0]
    np.savez(folder / "calib.npz", x=calibration)
    np.savez(folder / "eval.npz", x=images[-samples:], y=labels[-samples:])
    for name in ("mlp", "cnn"):
        for code, options in CODES.items():
            out = folder / f"{name}-{code}"
            deploy.convert_files(deploy.ConvertOptions(
                model=f"{EXAMPLES / 'fashion_models.py'}:{name}", weights=EXAMPLES / f"{name}.safetensors", precision="float",
                calib=folder / "calib.npz", evaluation=folder / "eval.npz", target="closed-form", out=out, **options,
            ))  # fmt: skip
            for simulator in SIMULATORS:
                yield plain_row(f"plain, {code}-coded {name}", out, simulator, samples)


def plain_row(title: str, folder: Path, simulator: str, samples: int) -> Row:
    """Run one converted network in one simulator, from the files that `deploy export --plain` writes."""
    file = folder / f"{simulator}.nir"
    export(folder, file, "plain", simulator, samples, trust=TRUST)
    graph = read_graph(file)
    inputs: Any = nir.read_data(str(file.with_name(f"{simulator}.data.nir"))).nodes["input"].observables["input"].data
    inputs = inputs.reshape(*inputs.shape[:2], *graph.nodes["input"].input_type["input"])
    outputs, spikes = simulate(simulator, graph, inputs)
    network = api.load_conversion(folder).network
    plain = plain_network(stages_of(network), form_of(network), DIALECTS[simulator])
    wanted, predictions = reference(network, api.evaluation_inputs(folder, samples, TRUST))
    got = [plain.codes(spikes[name], i) for i, name in enumerate(plain.names)]
    same = sum(int((a.reshape(b.shape) == b).all(0).sum()) for a, b in zip(got, wanted, strict=True))
    agreeing = int((plain.decode(outputs).reshape(samples, -1).argmax(1) == predictions).sum())
    neurons = sum(codes[0].size for codes in wanted)
    return Row(title, simulator, neurons, same, samples, agreeing, exact=DIALECTS[simulator].zero)


def reference(network: Network, x: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """(codes of the hidden layers, predictions (N,)) of the closed form in float64."""
    codes: list[np.ndarray] = []

    def observe(name: str, op: Any, result: Result) -> None:
        if isinstance(op, PhaseNeuron | RateNeuron) and network.nodes[name].inputs[0] != Network.INPUT:
            codes.append(result.values.numpy())

    outputs = ClosedForm(network, torch.float64).run(x, observe).numpy()
    return codes, outputs.reshape(len(x), -1).argmax(1)


def transformer_rows(folder: Path, samples: int) -> Iterator[Row]:
    """Yield rows of the demo in both precisions: whole in PyTorch by nirtorch, and in segments in every simulator."""
    import nirtorch

    for precision in ("float", "fixed"):
        out = folder / f"vit-{precision}"
        deploy.convert_files(deploy.ConvertOptions(precision=precision, target="closed-form", limit=samples, out=out))
        network, x = api.load_conversion(out).network, api.evaluation_inputs(out, samples, TRUST)
        predictions = reference(network, x)[1]
        export(out, out / "whole.nir")
        graph, node_map = deploy.nir_modules(nir.read(out / "whole.nir", type_check=False))
        outputs, _ = nirtorch.nir_to_torch(graph, node_map)(torch.from_numpy(x))
        agreeing = int((outputs.reshape(samples, -1).argmax(1).numpy() == predictions).sum())
        yield Row(f"whole, transformer, {precision}", "nirtorch", 0, 0, samples, agreeing)
        for simulator in SIMULATORS:
            result = execute(network, x, "", "", Progress(), simulator)
            agreeing = int((result.outputs.reshape(samples, -1).argmax(1) == predictions).sum())
            yield Row(f"segments, transformer, {precision}", simulator, 0, 0, samples, agreeing)


def main(
    samples: Annotated[int, typer.Option(help="Images.")] = 100,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the table goes.")] = TABLE,
) -> None:
    """Run every export in every simulator and write the table."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for build in (plain_rows, transformer_rows):
            for row in build(Path(folder), samples):
                print(row.written(), "" if row.holds else "FAILED", flush=True)
                rows.append(row)
    lines = [
        INTRODUCTION.format(samples=samples),
        "| export | simulator | neurons with the same spikes | same predictions |",
    ]
    lines += ["|---|---|---|---|", *(row.written() for row in rows), "", "| simulator | versions |", "|---|---|"]
    lines += [*(f"| {name} | {versions(name)} |" for name in (*SIMULATORS, "nirtorch")), ""]
    out.write_text("\n".join(lines), encoding="utf-8")
    if failed := [row for row in rows if not row.holds]:
        sys.exit(f"{len(failed)} exports do not agree as they should: {failed[0].written()}")


if __name__ == "__main__":
    typer.run(main)
