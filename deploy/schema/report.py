"""The report of a conversion: the whole content of report.json."""

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
"""Version of report.json, raised when a key is removed or changes its meaning; 0 of files that state none."""


NOT_STEPPED = "not stepped; run `deploy verify OUT`"
"""Text shown in place of a comparison with the closed form if no target stepped the network."""


@part
class Seconds:
    """Running times of a conversion in seconds, without the compilation of kernels.

    Attributes:
        closed_form_per_sample, ann_per_sample: the closed form and the original network, after a warm-up.
        convert: the conversion itself.
        target_per_sample, target_start: the target's run, and its start-up; absent if nothing was stepped.
    """

    closed_form_per_sample: Number
    convert: Number | None = None
    ann_per_sample: Number | None = None
    target_per_sample: Number | None = None
    target_start: Number | None = None


@part
class Report:
    """A conversion, and how the spiking network compares with the original.

    Attributes:
        model, method, precision: what was converted, and how.
        timesteps, base: T and B; timesteps is the longest window where layers have windows of their own.
        target: what stepped the network; "closed-form" if nothing did.
        samples, calibration_samples, shared_samples: number of evaluation samples, of calibration samples, which set
            the scales, and of evaluation samples that are also calibration samples.
        latency_steps: time steps from a sample's first input to its readout.
        seconds: running times.
        spikes: spikes of the whole network for one sample.
        saturations: potentials clipped at the width of the state, over all layers and samples.
        layers: one entry for each node that is not wiring.
        not_spiking: what is not binary spikes, and why.
        versions: of Python and of the packages that results depend on.
        schema_version: version of the file that the report was read from; 0 if the file states none.
        command: the command line that wrote the report; ``created``: when, as 2026-01-31 12:00 UTC.
        options: options in force; absent of a module that was given as an object.
        granularity, processes, bytes: of the target's run: what a process holds, how many there were, and their memory.
        device: where networks were evaluated, in words.
        transform: how image files or texts became arrays, in words; absent where arrays were given.
        ann, snn, agreement: results of the original and of the spiking network on the evaluation samples, and the share
            of samples with the same prediction.
        language, written: how a language model predicts the evaluation texts, and its continuation of the first one.
        exactness, first_mismatch: the target's run compared with the closed form; absent if nothing was stepped.
        low_variance_rows: rows that a normalisation divides by a deviation too small for the code, over all samples.
        ladder: versions of the network from the original to the target's run, each with one more source of error.
        blocks: networks of which only a part spikes; empty unless asked for.
        si_softmax: errors of the SIT method's softmax by itself; empty of other methods.
        events, uncounted_operations: counted events of one sample, and operations whose events are not counted.
        energy, flops_formula, neurobench: joules by convention, the published FLOPs formula, and NeuroBench's metrics.
        codes: the codes that were chosen for firing layers; empty if none were.
        corrected_biases: by layer, the share of its squared error that the correction of its bias took away.
        targets: measurements that only one target reports, by the target's name.
        placement: cores and chips needed, by chip.
        overlap: how closely samples may follow each other, for each number of sets of state that a node may have.
        budget: the search that chose the code, if a budget was given.
        warnings: what may be wrong although the conversion succeeded.
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
        """``exactness`` if a target stepped the network, else None."""
        return None if self.target == "closed-form" else self.exactness

    @property
    def timesteps_in_words(self) -> str:
        """T in words: `16`, or `8 to 40, layer by layer` if layers have windows of different lengths."""
        found = sorted({code.timesteps for code in self.codes if code.timesteps is not None})
        return f"{found[0]} to {found[-1]}, layer by layer" if len(found) > 1 else f"{self.timesteps}"

    @property
    def base_in_words(self) -> str:
        """B and who chose it, in words: `1.4, as given`, `1.4 (auto)` or `1.1 to 1.4 (auto, layer by layer)`."""
        if self.options is None:
            return f"{self.base:g}"
        if self.options.code.base != "auto":
            return f"{self.base:g}, as given"
        bases = sorted({code.base for code in self.codes})
        if len(bases) < 2:
            return f"{self.base:g} (auto)"
        return f"{bases[0]:g} to {bases[-1]:g} (auto, layer by layer)"
