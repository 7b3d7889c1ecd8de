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
    """Core time of a sample, summed over workers: the original network's, and the spiking network's on the target."""

    original_per_sample: Number
    target_per_sample: Number


@part
class Evaluation:
    """How a converted network does beside the original on a data set.

    Attributes:
        samples, target, data: how many samples of which data ran where.
        ann, snn: the original and the spiking network.
        agreement: share of samples with the original's prediction; absent of models without classes.
        spikes, saturations: of the target's run; saturations over all samples, absent of a target that does not count them.
        exactness: the target against the closed form; absent if the closed form is what ran.
        language: how text is predicted; absent of other models than language models.
        overlap: how closely samples followed each other; absent if they ran one after the other.
        device: where networks were evaluated, in words.
        warnings: what may be wrong although everything ran, what the conversion's report says among it.
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
