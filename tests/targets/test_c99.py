"""The C program gives every spike and potential, under sanitizers too, and what is changed in it shows."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from processes.errors import DeployError
from processes.operation import Window
from processes.operations import OPERATIONS
from targets.c99 import NO_KERNEL, write_c
from targets.c99.golden import FACTOR, polynomial
from targets.c99.kernels import KERNELS
from targets.c99.kernels.kernel import Constants, Integer, fold
from targets.c99.memory import Need, layout
from tests.targets.c99_cases import CASES, Case, convolved, gated, mixed, pooled, rounded
from tests.targets.test_placement import convolutions

needs_compiler = pytest.mark.skipif(
    not (shutil.which("cc") and shutil.which("make")), reason="no C compiler: `cc` or `make` is not on the path"
)


def make(folder: Path, target: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-s", "-C", str(folder), target, *options], capture_output=True, text=True, check=False
    )


@needs_compiler
@pytest.mark.parametrize("case", CASES)
def test_the_program_gives_every_spike_and_potential(case: Callable[[], Case], tmp_path: Path) -> None:
    network, samples = case()
    write_c(network, samples, tmp_path)
    done = make(tmp_path, "sanitize", "CFLAGS=-O0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(rf"identical: \d+ spike times and potentials in each of {len(samples)} samples\n", done.stdout)


def test_the_cases_have_every_kernel() -> None:
    cases = [case()[0] for case in CASES]
    assert {node.op.name for network in cases for _, node in network} == KERNELS.keys()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small program."""
    folder = tmp_path_factory.mktemp("small")
    write_c(*convolved(), folder)
    return folder


@needs_compiler
@pytest.mark.parametrize(
    ("case", "file", "before", "after"),
    [
        (convolved, "constants.h", r"(?s)(int8_t c_\d+\[\d+\] = \{\n +)(-?\d+)", lambda m: f"{m[1]}{-int(m[2]) or 1}"),
        (convolved, "network.c", r"(t >= \d+ && t < )(\d+)", lambda m: f"{m[1]}{int(m[2]) - 1}"),
        (convolved, "kernels/neurons.c", r"fired\[n\]\+\+;", lambda m: ""),
        (rounded, "kernels/neurons.c", r"> 0 \? 1 : pos", lambda m: "> 0 ? pos : pos"),
        (rounded, "kernels/neurons.c", r"< 0 \? -1 : hi", lambda m: "< 0 ? hi : hi"),
        (rounded, "kernels/neurons.c", r"pos < 1 && .* > 0 \?", lambda m: "pos < 1 ?"),
        (gated, "kernels/products.c", r"da \* held_b\[j\] \+", lambda m: ""),
        (pooled, "kernels/pooling.c", r"behind\[j\] = 1", lambda m: "behind[j] = 0"),
        (mixed, "kernels/pooling.c", r"stands\[j\] = OUT", lambda m: "stands[j] = LIVE"),
        (convolved, "samples.c", r"(sample_input\[\] = \{\n    )(-?\d+)", lambda m: f"{m[1]}{-int(m[2]) or 99999}"),
    ],
    ids=["weight", "window", "refractory", "above zero", "below zero", "at zero", "trace", "gate", "place", "input"],
)
def test_what_is_changed_is_found(
    case: Callable[[], Case], file: str, before: str, after: Callable[[re.Match[str]], str], tmp_path: Path
) -> None:
    write_c(*case(), tmp_path)
    text, count = re.subn(before, after, (tmp_path / file).read_text(), count=1)
    assert count == 1
    (tmp_path / file).write_text(text)
    done = make(tmp_path, "check", "CFLAGS=-O0")
    assert done.returncode != 0 and "differs" in done.stdout and "DIFFERENT: " in done.stdout, done.stdout + done.stderr


def test_integers_alone(small: Path) -> None:
    """Neither floating point nor a heap, nor a library."""
    sources = [*small.glob("*.[ch]"), *small.glob("kernels/*.[ch]")]
    assert len(sources) > 10
    for path in sources:
        code = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        assert not re.search(r"\b(float|double|malloc|calloc|free)\b|\d\.\d", re.sub(r'"[^"]*"', "", code)), path
        library = set(re.findall(r"#include <(.*)>", code))
        assert library <= ({"stdio.h", "string.h"} if path.name == "main.c" else {"stdint.h"}), path


def test_every_operation_has_a_kernel_or_a_reason() -> None:
    assert KERNELS.keys() | NO_KERNEL.keys() == {operation.name for operation in OPERATIONS}
    assert not KERNELS.keys() & NO_KERNEL.keys()
    assert all(len(reason.split()) > 3 for reason in NO_KERNEL.values())


def test_what_is_not_exported_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    network, samples = convolved()
    monkeypatch.delitem(KERNELS, "conv2d")
    monkeypatch.setitem(NO_KERNEL, "conv2d", "for this test")
    with pytest.raises(DeployError, match=r"'first' is a conv2d, which is not exported as C: for this test"):
        write_c(network, samples, tmp_path)
    assert not any(tmp_path.iterdir())
    with pytest.raises(DeployError, match="--precision fixed"):
        write_c(convolutions(), samples, tmp_path)


def test_constants_fit_their_type() -> None:
    assert Constants("int8_t", np.array([-128, 127])).values.dtype == np.int8
    with pytest.raises(DeployError, match="do not fit int8_t"):
        Constants("int8_t", np.array([128]))


@pytest.mark.parametrize(("words", "wide"), [(1, 0), (1, 1), (3, 2), (2, 5)])
@pytest.mark.parametrize("flags", [1, 4, 7, 8])
def test_the_struct_ends_where_c_ends_it(flags: int, words: int, wide: int) -> None:
    sizes: dict[Integer, int] = {"int8_t": flags, "int32_t": words, "int64_t": wide}
    _, pools = layout([Need(kind, size, Window(0, 1), 0, 1) for kind, size in sizes.items() if size])
    assert (pools["int8_t"] + 4 * pools["int32_t"] + 8 * pools["int64_t"]) % 8 == 0
    assert flags <= pools["int8_t"] < flags + 8


@pytest.mark.parametrize("parameter", [s for s in itertools.product((1, 2), (1, 3), (1, 4), (1, 5))])
def test_parameters_fold(parameter: tuple[int, ...]) -> None:
    """C's n / (m d) % a * d + n % d is the parameter that numpy broadcasts to neuron n, whichever axes it varies along."""
    shape = (2, 3, 4, 5)
    values = np.arange(np.prod(parameter)).reshape(parameter)
    axes, found = fold(shape, values)
    a, m, d = (int(axes[name]) for name in "amd")  # type: ignore[arg-type]
    n = np.arange(np.prod(shape))
    np.testing.assert_array_equal(found[n // (m * d) % a * d + n % d], np.broadcast_to(values, shape).reshape(-1))


def test_what_is_needed_at_once_never_shares_memory() -> None:
    rng = np.random.default_rng(0)
    needs = []
    for _ in range(200):
        (begin, end), (first, last) = (np.sort(rng.choice(40, 2, replace=False)) for _ in range(2))
        kind = ("int8_t", "int32_t", "int64_t")[rng.integers(3)]
        needs.append(Need(kind, int(rng.integers(1, 50)), Window(int(begin), int(end)), int(first), int(last)))
    offsets, pools = layout(needs)
    meetings = 0
    for (one, at), (other, there) in itertools.combinations(zip(needs, offsets, strict=True), 2):
        if one.type == other.type and one.meets(other):
            meetings += 1
            assert at + one.size <= there or there + other.size <= at
    assert meetings > 500
    for kind, size in pools.items():
        used = max(at + n.size for n, at in zip(needs, offsets, strict=True) if n.type == kind)
        assert used <= size < used + 8 and (size == used or kind == "int8_t")
    assert sum(pools.values()) < 0.8 * sum(need.size for need in needs)


def test_one_different_value_changes_the_hash() -> None:
    values = np.array([[3, -1, 0, 7]])
    h = 0
    for value in values[0].tolist():
        h = (h * FACTOR + value) % 2**64
    assert polynomial(values).tolist() == [h]
    assert all(polynomial(values + step)[0] != h for step in np.eye(4, dtype=int) * 2**31)
