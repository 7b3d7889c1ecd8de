"""The report of a conversion: what report.json holds, whole."""

from __future__ import annotations

from dataclasses import field

from deploy.schema.accuracy import Original, Rung, SoftmaxError, Spiking
from deploy.schema.caution import Caution
from deploy.schema.energy import Cost, FlopsFormula, NeuroBench
from deploy.schema.exactness import Exactness
from deploy.schema.language import Language, Written
from deploy.schema.layers import Code, Layer
from deploy.schema.options import Options
from deploy.schema.overlap import Overlap
from deploy.schema.parts import Count, Fraction, Mapping, Number, Value, part
from deploy.schema.placement import Placement
from deploy.schema.search import BudgetSearch
from deploy.schema.spikes import NotSpiking, Spikes

SCHEMA_VERSION = 1
"""Rises when a key changes its meaning or goes; files without a version were written before there was one."""


NOT_STEPPED = "not stepped; run `deploy verify OUT`"
"""What stands in place of a comparison that was not made."""


@part
class Seconds:
    """Times of a conversion, none with the compilation of kernels; those per sample are after a warm-up."""

    closed_form_per_sample: Number
    convert: Number | None = None
    ann_per_sample: Number | None = None
    target_per_sample: Number | None = None
    target_start: Number | None = None


@part
class Report:
    """What a conversion is and how it does beside the original.

    Attributes:
        schema_version: of the file that it was read from; 0 of files from before there were versions.
        model, method, precision, timesteps, base, target: what was converted, how, and what stepped it; where layers have
            windows of their own, timesteps is the longest.
        command: that wrote it. created: when, as 2026-01-31 12:00 UTC.
        options: in force; absent of a module that was given as an object.
        granularity, processes, bytes: of the target's run: what a process holds, how many there were, and their memory.
        device: where networks were evaluated, in words.
        transform: how image files or texts became arrays, in words; absent where arrays were given.
        samples: evaluation samples. calibration_samples: those that set scales; shared_samples: those that are in both.
        ann, snn, agreement: the original and the spiking network on the evaluation samples.
        language, written: how a language model predicts the evaluation texts, and goes on with the first one.
        exactness, first_mismatch: the target's run against the closed form; absent if the closed form is what ran.
        latency_steps: time steps from a sample's first input to its readout.
        overlap: how closely samples may follow each other, by how many sets of state a node may have.
        saturations, low_variance_rows: over all samples, as of :class:`Layer`.
        ladder, blocks: versions of the network, one source of error after the other; networks of which only a part spikes.
        events, uncounted_operations: counted events of a sample; operations that nobody knows how to count.
        energy, flops_formula, neurobench: what these events cost, energy by convention.
        codes, corrected_biases: how layers are coded; by layer the share of its squared error that its bias took away.
        targets: what only a target tells, by its name. placement: by chip. budget: the search that chose the code.
        versions: of Python and of packages that results depend on.
        warnings: what may be wrong although everything ran.
    """

    model: str
    method: str
    precision: str
    timesteps: Count
    base: Number
    target: str
    samples: Count
    latency_steps: Count
    seconds: Seconds
    spikes: Spikes
    saturations: Count
    layers: tuple[Layer, ...]
    not_spiking: tuple[NotSpiking, ...]
    versions: Mapping[str, str]
    schema_version: Count = 0
    command: str | None = None
    created: str | None = None
    options: Options | None = None
    granularity: str | None = None
    processes: Count | None = None
    bytes: Count | None = None
    device: str | None = None
    transform: str | None = None
    calibration_samples: Count | None = None
    shared_samples: Count | None = None
    ann: Original = Original()
    snn: Spiking = Spiking()
    agreement: Fraction | None = None
    language: Language | None = None
    written: Written | None = None
    exactness: Exactness | None = None
    first_mismatch: str | None = None
    low_variance_rows: Count | None = None
    ladder: tuple[Rung, ...] = ()
    blocks: tuple[Rung, ...] = ()
    si_softmax: tuple[SoftmaxError, ...] = ()
    events: Mapping[str, Number] = field(default_factory=dict)
    uncounted_operations: tuple[str, ...] = ()
    energy: Mapping[str, Cost] = field(default_factory=dict)
    flops_formula: FlopsFormula | None = None
    neurobench: NeuroBench | None = None
    codes: tuple[Code, ...] = ()
    corrected_biases: Mapping[str, Number] = field(default_factory=dict)
    targets: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    placement: Mapping[str, Placement] = field(default_factory=dict)
    overlap: tuple[Overlap, ...] = ()
    budget: BudgetSearch | None = None
    warnings: tuple[Caution, ...] = ()

    @property
    def compared(self) -> Exactness | None:
        """``exactness`` of a run that was stepped; older reports compared the closed form with itself."""
        return None if self.target == "closed-form" else self.exactness

    @property
    def timesteps_in_words(self) -> str:
        """T: `16`, or the range where layers differ in it."""
        found = sorted({code.timesteps for code in self.codes if code.timesteps is not None})
        return f"{found[0]} to {found[-1]}, layer by layer" if len(found) > 1 else f"{self.timesteps}"

    @property
    def base_in_words(self) -> str:
        """B and who chose it: `1.4, as given`, or the range of what was chosen layer by layer."""
        if self.options is None:
            return f"{self.base:g}"
        if self.options.code.base != "auto":
            return f"{self.base:g}, as given"
        bases = sorted({code.base for code in self.codes})
        if len(bases) < 2:
            return f"{self.base:g} (auto)"
        return f"{bases[0]:g} to {bases[-1]:g} (auto, layer by layer)"
