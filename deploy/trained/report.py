"""What `deploy trained` found out, as data."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.errors import DeployError
from deploy.output import TRAINED as REPORT


class Part(BaseModel):
    """A table's row does not take what it does not know."""

    model_config = ConfigDict(extra="forbid")


class Run(Part):
    """One way of running; `accuracy` is None without labels, `agreement` is with the original's predictions."""

    samples: int
    accuracy: float | None
    agreement: float
    spikes: float
    seconds_per_sample: float


class LavaRun(Part):
    """Fixed point on Lava next to the closed form; spikes, potentials and outputs that differ, and where the first one is."""

    samples: int
    compared: int
    differing: int
    first: str | None = None


class Layer(Part):
    """A population or a layer with synapses; `rate` is spikes per neuron and step, counts are per sample."""

    name: str
    kind: str
    size: int
    rate: float | None
    synaptic_operations: float
    macs: float


class Energy(Part):
    """One convention."""

    name: str
    title: str
    microjoules: float
    omitted_microjoules: float


class Formula(Part):
    """The formula of the spiking transformers' papers."""

    microjoules: float
    first_macs: int
    operations: float
    counted_operations: float
    left_out: dict[str, float]


class SynapticOperations(Part):
    """NeuroBench's, of a sample, by NeuroBench's names."""

    Effective_MACs: float
    Effective_ACs: float
    Dense: float


class NeuroBench(Part):
    """NeuroBench's metrics by NeuroBench's names (:mod:`deploy.trained.neurobench`); shares are None where there is nothing."""

    Footprint: int
    ConnectionSparsity: float | None
    ActivationSparsity: float | None
    SynapticOperations: SynapticOperations
    MembraneUpdates: float


class EnergyReport(Part):
    """What a run did and costs; `events` are per sample; `neurobench` is None in folders of earlier versions."""

    layers: list[Layer]
    events: dict[str, float]
    formula: Formula
    energy: list[Energy]
    neurobench: NeuroBench | None = None


class TrainedReport(EnergyReport):
    """All of it; events are those of the floating-point run.

    Attributes:
        differing_from_original: spikes of the captured network in float64 that are not the original's, of `compared_spikes`.
        changed_by_float32: spikes of the original that are other ones in float32 than in float64.
        readout: how the model's output follows from those of its steps.
        silent: populations of which no neuron fired in the compared samples, so that nothing was compared.
        spikes_changed: share of spikes that are other ones in fixed point.
        standard_nir: the file, or why there is none.
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
    """The report in a folder that `deploy trained` wrote.

    Raises:
        DeployError: there is none, or it is of another version.
    """
    file = folder / REPORT
    try:
        return TrainedReport.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise DeployError(f"{file}: no report of deploy trained that can be read; run it again") from error
