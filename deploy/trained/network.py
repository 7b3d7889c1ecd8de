"""A captured network as `deploy trained` keeps it, to run from its folder, frame by frame, without the model's code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from converters.trained.rounding import Together
from converters.trained.scales import best_scales, rescaled
from converters.trained.split import split
from deploy.errors import DeployError
from deploy.sources.archives import read_arrays
from deploy.trained.report import REPORT, TrainedReport, read_trained
from processes.spiking import Graph
from processes.spiking.store import packed, unpacked
from targets.nir_graph.program import Program, Recorder, Stepper, interpret
from targets.nir_graph.units import CHIP, input_unit
from targets.trained.program import compile_fixed, compile_float

FILE = "network.npz"
CONTENT = "network"
CALIBRATION = 100
"""Largest number of calibration samples, which set the units of fixed point."""
Precision = Literal["fixed", "float"]


@dataclass(frozen=True)
class Frame:
    """Spikes, potentials and output of a network at one frame.

    Attributes:
        number: of the frame, from 0.
        spikes: by population that spikes, bool (*shape).
        potentials: by population, membrane potentials after resets, float64 (*shape) in the model's units.
        output: float64 (*shape), in the model's units.
    """

    number: int
    spikes: dict[str, np.ndarray]
    potentials: dict[str, np.ndarray]
    output: np.ndarray


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network of :func:`converters.trained.capture`, and what its fixed-point form takes from calibration data.

    Attributes:
        graph: the network of one time step.
        peaks: by node, the largest magnitude of its signal (of neurons, of the potential) on the calibration data.
        unit: real value of one unit of the input in fixed point.
        rounding: by layer, the integer mantissas of its weights, and the correction of its bias for their rounding.
        scales: by layer, the factors of its outputs in fixed point (:mod:`converters.trained.scales`).
        synapses: number of synapses for each weight in fixed point: 1, or 2 (:mod:`converters.trained.split`).
        folder: the folder that the network was read from; None otherwise.
    """

    graph: Graph
    peaks: dict[str, float]
    unit: float
    rounding: dict[str, tuple[np.ndarray, np.ndarray]]
    scales: dict[str, np.ndarray]
    synapses: int = 1
    folder: Path | None = None

    @classmethod
    def calibrated(cls, graph: Graph, calib: np.ndarray, synapses: int = 1) -> TrainedNetwork:
        """Calibrate scales, peaks and rounded weights on frames ``calib`` (samples, T, *shape of the graph's input)."""
        first, unit = Together(graph), input_unit(calib)
        interpret(compile_float(graph), {graph.input: calib}, seen=first.see)
        scales = best_scales(graph, first.moments, CHIP.weight_bits)
        made = _integer_form(graph, scales, synapses)
        together = Together(made)
        peaks = interpret(compile_float(made), {graph.input: calib}, seen=together.see).peaks
        rounding: dict[str, tuple[np.ndarray, np.ndarray]] = {}

        def rounded(name: str, weight: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
            rounding[name] = together.rounded(name, weight, limit)
            return rounding[name]

        compile_fixed(made, peaks, unit, rounded)
        return cls(graph, peaks, unit, rounding, scales, synapses)

    @cached_property
    def report(self) -> TrainedReport:
        """The report in the network's folder.

        Raises:
            DeployError: the network was not read from a folder, or the folder's report cannot be read.
        """
        if self.folder is None:
            raise DeployError("the network was not read from a folder of deploy trained, and has no report")
        return read_trained(self.folder)

    def program(self, precision: Precision = "fixed") -> Program:
        """Compile the network to a new program, whose neurons are in their initial states.

        Raises:
            DeployError: ``precision`` is neither "fixed" nor "float".
        """
        if precision == "float":
            return compile_float(self.graph)
        if precision == "fixed":
            made = _integer_form(self.graph, self.scales, self.synapses)
            return compile_fixed(made, self.peaks, self.unit, lambda name, *_: self.rounding[name])
        raise DeployError(f"precision {precision!r}: give fixed or float")

    def stream(self, frames: Iterable[Any], precision: Precision = "fixed") -> Iterator[Frame]:
        """Run the network on frames as they arrive, keeping its states from frame to frame.

        Args:
            frames: each an array of the shape of one frame, as the model takes it without time and batch; uint8 counts as
                255ths, as in files.
            precision: "fixed", Loihi-style integers, or "float".

        Returns:
            An iterator over the network's activity at each frame.

        Raises:
            DeployError: ``precision`` is unknown; or, raised by the iterator when it reaches the frame, a frame has
                another shape or is not of finite numbers.
        """
        program = self.program(precision)  # a new program, as every stream has its own states
        return self._stream(program, self.potential_units(program), frames)

    def potential_units(self, program: Program) -> dict[str, Any]:
        """By population, the real value of one unit of its potential in a program, broadcastable to the population."""
        units: dict[str, Any] = {name: stage.unit_v for name, stage in program.stages.items() if stage.population}
        factors = rescaled(self.graph, self.scales)[1] if program.fixed else {}
        return units | {name: units[name] / factor for name, factor in factors.items()}

    def _stream(self, program: Program, units: dict[str, Any], frames: Iterable[Any]) -> Iterator[Frame]:
        stepper, inside = Stepper(program, list(program.stages)), self.graph.nodes[self.graph.input].shape
        for number, frame in enumerate(frames):
            x = self._real(number, frame).reshape(1, *inside)
            messages = stepper.step({self.graph.input: program.encode(self.graph.input, x)})
            recorder = Recorder(program, 1, 1, potentials=True)
            recorder.write(slice(None), 0, messages)
            traces = recorder.traces()
            potentials = {name: v[0, 0] * units[name] for name, v in traces.potentials.items()}
            spikes = {name: s[0, 0] for name, s in traces.spikes.items()}
            yield Frame(number, spikes, potentials, traces.outputs[self.graph.output][0, 0])

    def _real(self, number: int, frame: Any) -> np.ndarray:
        x = np.asarray(frame)
        if x.dtype.kind not in "fiub" or x.shape != self.graph.frame:
            raise DeployError(
                f"frame {number} is {x.dtype} {x.shape}; the network takes numbers {self.graph.frame}, without time and batch"
            )
        real = x.astype(np.float64) / (255 if x.dtype == np.uint8 else 1)
        if not np.isfinite(real).all():
            raise DeployError(f"frame {number} holds NaN or infinity; leave it out, or put numbers in their place")
        return real

    def write(self, folder: Path) -> None:
        """Write the network to ``network.npz`` in the folder."""
        arrays: dict[str, np.ndarray] = {}
        content = packed(
            {
                "graph": self.graph,
                "peaks": self.peaks,
                "unit": self.unit,
                "rounding": self.rounding,
                "scales": self.scales,
                "synapses": self.synapses,
            },
            arrays,
        )
        np.savez_compressed(folder / FILE, **{CONTENT: np.frombuffer(json.dumps(content).encode(), np.uint8)}, **arrays)


def _integer_form(graph: Graph, scales: dict[str, np.ndarray], synapses: int) -> Graph:
    """The graph that fixed point compiles: outputs scaled, and each weight split if it has two synapses."""
    scaled, _ = rescaled(graph, scales)
    return split(scaled, CHIP.weight_bits) if synapses == 2 else scaled


def is_trained(folder: Path) -> bool:
    """Whether a folder holds the report of `deploy trained`."""
    return (folder / REPORT).is_file()


def read_network(folder: Path) -> TrainedNetwork:
    """Read the network from a folder that `deploy trained` wrote.

    Raises:
        DeployError: the folder holds no network, or one that is damaged or of another version.
    """
    if not (folder / FILE).is_file():
        raise DeployError(f"{folder}: holds no {FILE}; run deploy trained again, as an earlier version wrote none")
    arrays = read_arrays(folder / FILE)
    try:
        content = unpacked(json.loads(arrays[CONTENT].tobytes()), arrays)
        network = TrainedNetwork(**content)
        network.program()
    except DeployError:
        raise
    except Exception as error:  # the compiler raises many types of exception on a damaged file
        raise DeployError(f"{folder / FILE}: damaged, or of another version; run deploy trained again") from error
    return replace(network, folder=folder)
