"""The report of `deploy trained`: what trained.json holds."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.errors import DeployError
from deploy.output import TRAINED as REPORT


class Part(BaseModel):
    """Base class of the report's parts: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class Run(Part):
    """Results of one run, in floating point or in fixed point.

    Attributes:
        samples: how many samples ran.
        accuracy: share of samples whose label is predicted; None without labels.
        agreement: share of samples whose prediction is the original's.
        spikes: of one sample, on average.
        seconds_per_sample: running time.
    """

    samples: int
    accuracy: float | None
    agreement: float
    spikes: float
    seconds_per_sample: float


class LavaRun(Part):
    """The fixed-point run on Lava compared with the stepped run in numpy.

    Attributes:
        samples: how many samples ran.
        compared, differing: number of spikes, potentials and outputs compared, and of those that differ.
        first: what differs first and where; None if nothing does.
    """

    samples: int
    compared: int
    differing: int
    first: str | None = None


class Layer(Part):
    """A population, a layer with synapses, or a product of spikes, with its counted operations per sample.

    Attributes:
        kind: name of the operation's class in lower case.
        size: number of outputs.
        rate: spikes per neuron and time step; None of nodes that send no spikes.
    """

    name: str
    kind: str
    size: int
    rate: float | None
    synaptic_operations: float
    macs: float


class Energy(Part):
    """Energy of one sample by one convention; ``omitted_microjoules``: terms that the convention's source omits."""

    name: str
    title: str
    microjoules: float
    omitted_microjoules: float


class Formula(Part):
    """Energy of one sample by the published formula of spiking transformers (:mod:`deploy.trained.energy`).

    Attributes:
        microjoules: the formula's total.
        first_macs: multiply-accumulates of the layers that read the input, in one step.
        operations: the formula's sum of rate * T * MACs over the other layers.
        counted_operations: additions that were counted.
        left_out: counts of events, by name, for which the formula has no term.
    """

    microjoules: float
    first_macs: int
    operations: float
    counted_operations: float
    left_out: dict[str, float]


class SynapticOperations(Part):
    """NeuroBench's synaptic operations of one sample, by NeuroBench's names."""

    Effective_MACs: float
    Effective_ACs: float
    Dense: float


class NeuroBench(Part):
    """NeuroBench's metrics by NeuroBench's names (:mod:`deploy.trained.neurobench`), operations and updates per sample.

    ConnectionSparsity is None without weights, ActivationSparsity without neurons that fire.
    """

    Footprint: int
    ConnectionSparsity: float | None
    ActivationSparsity: float | None
    SynapticOperations: SynapticOperations
    MembraneUpdates: float


class EnergyReport(Part):
    """Counted events of one sample, in total and by layer, and their energy; old folders have no ``neurobench``."""

    layers: list[Layer]
    events: dict[str, float]
    formula: Formula
    energy: list[Energy]
    neurobench: NeuroBench | None = None


class TrainedReport(EnergyReport):
    """The content of trained.json; events are counted in the floating-point run.

    Attributes:
        model, form, frames: the options of the run.
        neurons, nodes: size of the captured network.
        readout: how the model's output follows from the outputs of its time steps: mean, sum, last or each.
        compared_spikes: spikes (neurons times steps times samples) of the captured network compared with the
            original's.
        differing_from_original: how many of them differ, both in float64.
        changed_by_float32: how many of the original's differ between float32 and float64.
        silent: populations of which no neuron fired in the compared samples, so that the comparison says little.
        original_accuracy: of the original in float32; None without labels.
        floating, fixed: the captured network in floating point and in fixed point.
        spikes_changed: share of spikes, sent or not, that differ in fixed point: mean over populations, compared
            samples.
        overflows: by node, values that did not fit the chip's widths in the compared samples.
        largest_rounding: the largest rounding error of a node's parameters.
        lava: the comparison with Lava; None if Lava did not run.
        standard_nir: name of the NIR file, or why there is none.
    """

    model: str
    form: str
    frames: int
    neurons: int
    nodes: int
    readout: str
    compared_spikes: int
    differing_from_original: int
    changed_by_float32: int
    silent: list[str]
    original_accuracy: float | None
    floating: Run
    fixed: Run
    spikes_changed: float
    overflows: dict[str, int]
    largest_rounding: float
    lava: LavaRun | None
    standard_nir: str


def read_trained(folder: Path) -> TrainedReport:
    """Read the report in a folder that `deploy trained` wrote.

    Raises:
        DeployError: there is no report, or it is damaged or of another version.
    """
    file = folder / REPORT
    try:
        return TrainedReport.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise DeployError(f"{file}: no report of deploy trained that can be read; run it again") from error
