"""A converted network on a whole data set: what evaluation.json holds."""

from __future__ import annotations

from deploy.schema.accuracy import Original, Spiking
from deploy.schema.caution import Caution
from deploy.schema.exactness import Exactness
from deploy.schema.language import Language
from deploy.schema.overlap import Overlap
from deploy.schema.parts import Count, Fraction, Number, part
from deploy.schema.spikes import Spikes


@part
class CoreSeconds:
    """Seconds for one sample, summed over workers: the original network, and the spiking network on the target."""

    original_per_sample: Number
    target_per_sample: Number


@part
class Evaluation:
    """A converted network compared with the original on a data set.

    Attributes:
        samples, target, data: number of samples, the target that ran them, and the source of the data.
        snn, ann: results of the spiking network and of the original.
        spikes: spikes of the target's run.
        seconds: running time of both networks.
        agreement: share of samples with the original's prediction; absent of models without classes.
        saturations: potentials clipped in the target's run, over all samples; absent if the target does not count them.
        exactness: the target's run compared with the closed form; absent if the closed form is what ran.
        language: how text is predicted; absent of models that are no language models.
        overlap: how closely samples followed each other; absent if they ran one after the other.
        device: where networks were evaluated, in words.
        warnings: what may be wrong although the run succeeded, including the warnings of the conversion's report.
    """

    samples: Count
    target: str
    data: str
    snn: Spiking
    spikes: Spikes
    seconds: CoreSeconds
    ann: Original = Original()
    agreement: Fraction | None = None
    saturations: Count | None = None
    exactness: Exactness | None = None
    language: Language | None = None
    overlap: Overlap | None = None
    device: str | None = None
    warnings: tuple[Caution, ...] = ()
