"""Breaks the code in one place at a time and runs the quick tests: `make mutations`, or `python tests/mutations.py WORD ...`.

Each mutation replaces a text that stands exactly once in its file, in a copy of the tree, and names the quick tests that should
fail. One that survives says that something may be changed unnoticed. Words choose mutations whose reason holds one of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

COMPARE = ("tests/evaluator/test_compare.py",)
SAFE = ("tests/converters/test_safeguards.py",)
CHIPS = ("tests/processes/test_chips.py",)
FIXED = ("tests/processes/test_fixed.py",)
NETWORKS = ("tests/evaluator/test_random_networks.py",)
TIES = ("tests/processes/test_ties.py",)
COUNTS = ("tests/processes/test_progression.py",)
BOUNDS = ("tests/processes/test_bounds.py",)
GOLDEN = ("tests/evaluator/test_golden_demo.py",)


class Mutation(NamedTuple):
    """``old`` becomes ``new`` in ``file``, which breaks what ``why`` says; ``tests`` are to find it."""

    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...]


COMPARISON = "evaluator/compare.py"
CORRECT = "converters/correct.py"
DIVIDES = "processes/dynamic_threshold"
BREAK_EVEN = "deploy/energy/break_even.py"
PRODUCT_EVENTS = "processes/trace_product/events.py"
MUTATIONS = (
    Mutation(COMPARISON, "found.mismatches += int(wrong.sum())", "pass", "checker: mismatches are never counted", COMPARE),
    Mutation(COMPARISON, "if not exact else 0", "if True else 0", "checker: potentials excused in fixed point", COMPARE),
    Mutation(COMPARISON, "(stepped - output).abs() > far", "(stepped - output) > far", "checker: one side only", COMPARE),
    Mutation(COMPARISON, "excused = wrong &", "excused = wrong |", "checker: every difference is a tie", COMPARE),
    Mutation(COMPARISON, "TIE = 1e-5", "TIE = 1e-3", "checker: ties far from the threshold", COMPARE),
    Mutation(COMPARISON, "found.mismatches += abs(counted - clips)", "pass", "checker: clips are not compared", COMPARE),
    Mutation(COMPARISON, "wrong.nonzero()[0]", "wrong.nonzero()[-1]", "checker: not the first place", COMPARE),
    Mutation(COMPARISON, "found.first or _describe", "_describe", "checker: the last layer is named first", COMPARE),
    Mutation(CORRECT, "4 * first * second > first**2 + second**2", "first == first", "safeguard: halves disagree", SAFE),
    Mutation(CORRECT, "order[len(held) : len(held) + SAMPLES]", "order[:SAMPLES]", "safeguard: judged on seen ones", SAFE),
    Mutation("converters/pipeline.py", "samples[held], batch)", "samples[few], batch)", "safeguard: scales, on seen", SAFE),
    Mutation("processes/synapse/integers.py", "/ 2 / chip.trace_headroom", "/ 2", "safeguard: headroom dropped", SAFE),
    Mutation(f"{DIVIDES}/calibration.py", "median = 0.6745", "median = 1.0", "safeguard: which rows are half silent", SAFE),
    Mutation(BREAK_EVEN, "a * f * f + b * f", "a * f + b * f", "energy: linear in what grows with the square", SAFE),
    Mutation(
        "processes/events.py", "return 2 if quantity", "return 1 if quantity", "energy: attention linear in tokens", SAFE
    ),
    Mutation(PRODUCT_EVENTS, ' + (event == "synaptic_operations")', "", "energy: products linear in spikes", SAFE),
    Mutation("processes/chips.py", '"weight_bits", INT8,', '"weight_bits", INT32,', "width: weights wrap in int8", CHIPS),
    Mutation("processes/chips.py", '"state_bits", FLOAT32,', '"state_bits", INT32,', "width: potentials beyond float32", CHIPS),
    Mutation("processes/chips.py", "self.graded_bits != self.state_bits", "False", "width: graded narrower than state", CHIPS),
    Mutation("processes/fixed.py", "& (x < 0))", "& (x > 0))", "arithmetic: shifts away from zero", FIXED),
    Mutation("processes/fixed.py", "x.clip(-limit, limit)", "x.clip(-limit - 1, limit)", "arithmetic: asymmetric clip", FIXED),
    Mutation("processes/fixed.py", "if reach > INT64_MAX", "if reach > 4 * INT64_MAX", "arithmetic: products wrap", FIXED),
    Mutation("processes/fixed.py", "return np.rint(np.ldexp(np", "return np.floor(np.ldexp(np", "arithmetic: cut", FIXED),
    Mutation("processes/fixed.py", "power - magnitude_bits, 0", "power - magnitude_bits + 1, 0", "arithmetic: loss", FIXED),
    Mutation("processes/progression.py", "doubt = slope", "doubt = 0.1 * slope", "counting: sure beside a threshold", COUNTS),
    Mutation("processes/progression.py", "max(slack, 1.01 *", "max(slack, 0.5 *", "counting: rounded thresholds", COUNTS),
    Mutation("processes/kernels/bounds.py", "> 2 * limit", "> 3 * limit", "bounds: rows that clip pass as exact", BOUNDS),
    Mutation("processes/kernels/bounds.py", "table, values, sizes)", "table, sizes, values)", "bounds: of sums", BOUNDS),
    Mutation("evaluator/closed_form.py", "saturate(graded, ", "(lambda x, _: x)(graded, ", "host: input unclipped", NETWORKS),
    Mutation("processes/phase_neuron/__init__.py", "self.left -= sign != 0", "pass", "stepper: spikes without end", NETWORKS),
    Mutation(
        "processes/kernels/rules.py", "np.int8(x >= threshold)", "np.int8(x > threshold)",
        "stepper: strict comparison in division", TIES,
    ),
    Mutation(
        "processes/kernels/residual.py", "trunc(np.float64(v", "floor(np.float64(v",
        "closed form: residual shifts floor", NETWORKS,
    ),
    Mutation("processes/kernels/residual.py", "else -mean", "else -mean - 1", "closed form: mean of negative sums", NETWORKS),
    Mutation("processes/phase_code/__init__.py", "(1 + 1 / self.base) / 2", "1.0", "code: no midpoints", SAFE + GOLDEN),
)  # fmt: skip


def survives(mutation: Mutation) -> bool:
    """Whether the named tests pass in a copy of the tree with ``mutation``.

    Raises:
        ValueError: its text does not stand exactly once in its file, or its tests are not of the quick ones.
    """
    text = (ROOT / mutation.file).read_text()
    if (found := text.count(mutation.old)) != 1:
        raise ValueError(f"{mutation.file}: '{mutation.old}' stands there {found} times, not once; choose another text")
    if extra := set(mutation.tests) - set((ROOT / "tests" / "quick.txt").read_text().split()):
        raise ValueError(f"{mutation.why}: {', '.join(extra)} is not in tests/quick.txt")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in filter(None, tracked):
            if (ROOT / name).is_file() and not name.startswith(("docs/", "benchmarks/")):
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, copy / name)
        (copy / mutation.file).write_text(text.replace(mutation.old, mutation.new))
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "--show-capture=no",
            *mutation.tests,
        ]
        done = subprocess.run(
            command, cwd=copy, env=os.environ | {"PYTHONPATH": folder}, capture_output=True, text=True
        )
    if done.returncode not in (0, 1):  # tests that could not run say nothing
        raise RuntimeError(
            f"{mutation.why}: pytest ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return done.returncode == 0


def main(words: list[str]) -> int:
    """Print a table of the mutations; returns how many survived."""
    survivors = 0
    for mutation in MUTATIONS:
        if words and not any(word in mutation.why for word in words):
            continue
        survived = survives(mutation)
        survivors += survived
        print(f"{'SURVIVED' if survived else 'killed':9} {mutation.why:50} {mutation.file}", flush=True)
    return survivors


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
