"""The documentation page with the results of a walk, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from converters.walk import STATES, Found

INTRODUCTION = """\
# Coverage

What `deploy models --all` found: the smallest model of every module of timm, and a small configuration of every architecture of
transformers that can be built without downloads, all with random weights.

*Accepted*: every operation has a spiking form, and the lowered network, before any code is chosen, gives the model's outputs:
the largest difference over the largest output, in float64, is below 1e-4 and stands in the table. *Refused*: nothing is
converted, and every operation that blocks is listed. *Failed*: accepted wrongly, or ended otherwise than by a refusal.
*Left out*: what could not be built or run in the first place, or not within the limits.

An accepted model runs in spikes; how accurate it is depends on its weights and code ([models.md](models.md)). Only one size
of each is walked, so this tells which operations convert and not what fits a chip (`deploy place`).
"""

WHY = """\
## Why they stay refused

- `exp` of a mask that depends on the input (Pegasus-X): only a softmax reads one.
- `unsqueeze`, `index`, `getitem`, `cat`, `eq` (D-FINE, RT-DETR, GroupViT, PhiMoE, Inkling, Zaya): the order of the largest
  values, or the place of the largest. Wiring does not depend on the input; a race says how large, not where in a list.
- `sin`, `cos` of a mask that depends on the input (Grounding DINO), and numbers that are cut to whole ones (UDOP).
- `pow` (YOSO): above the eighth power the relative errors of too many codes add up.
- `_fft_c2c`: complex numbers of activations. Turned by constants, as rotary positions are, they convert.
- `grid_sampler_2d`, `aten.index.Tensor`, `aten.slice.Tensor`: where or how much is read depends on the input's values.
- "branches on the values": each branch is another network. Branches on what is the same for all inputs convert.
- "other outputs than the model itself": what is captured would not be the model; some draw random numbers.
"""


def page(found: Sequence[Found], whole: Mapping[str, int]) -> str:
    """The results as Markdown: totals, what blocks most often, and a table for each library.

    Args:
        found: what became of each model that was walked.
        whole: number of models in each library by name, of which some may not have been walked yet.
    """
    libraries: dict[str, list[Found]] = {}
    for one in sorted(found, key=lambda one: one.family):
        libraries.setdefault(one.family.split()[0], []).append(one)
    parts = [INTRODUCTION, _totals(libraries, whole), _blockers(found), WHY]
    parts += [f"## {library}\n\n{_table(rows)}" for library, rows in libraries.items()]
    return "\n".join(parts)


def _totals(libraries: dict[str, list[Found]], whole: Mapping[str, int]) -> str:
    lines = [f"| | {' | '.join(STATES)} | walked |", "|---" * (len(STATES) + 2) + "|"]
    for library, rows in libraries.items():
        counts = Counter(row.state for row in rows)
        numbers = " | ".join(str(counts[state]) for state in STATES)
        lines.append(f"| {library} | {numbers} | {len(rows)} of {whole[library]} |")
    return "\n".join(lines) + "\n"


def _blockers(found: Sequence[Found]) -> str:
    """A table of operations by the number of refused models that they block; empty if there is none."""
    names = [
        {reason.split("`")[1] for reason in one.reasons if reason.count("`") > 1} for one in found if _refused(one)
    ]
    counts = Counter(name for blocked in names for name in blocked)
    alone = Counter(name for blocked in names if len(blocked) == 1 for name in blocked)
    if not counts:
        return ""
    lines = ["| operation | models that it blocks | alone |", "|---|---|---|"]
    lines += [f"| `{name}` | {number} | {alone[name]} |" for name, number in counts.most_common()]
    return "## What blocks\n\n" + "\n".join(lines) + "\n"


def _refused(one: Found) -> bool:
    return one.state == "refused"


def _table(rows: Sequence[Found]) -> str:
    lines = ["| family | walked | state | what blocks | deviation | seconds |", "|---|---|---|---|---|---|"]
    for row in rows:
        reasons = "; ".join(row.reasons).replace("|", "\\|").replace("<", "&lt;")
        deviation = "" if row.deviation is None else f"{row.deviation:.0e}"
        family = row.family.split(maxsplit=1)[1]
        lines.append(f"| {family} | {row.example} | {row.state} | {reasons} | {deviation} | {row.seconds:.0f} |")
    return "\n".join(lines) + "\n"
