import math
from pathlib import Path

import pytest

from deploy.errors import DeployError
from deploy.options import ConvertOptions

TARGETS = ("closed-form", "lava-sim", "nir")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"timesteps": 1}, "--timesteps 1: a window needs at least 2 steps"),
        ({"timesteps": "auto", "method": "sit"}, "--timesteps auto: --method sit has one T"),
        (
            {"timesteps": "auto", "method": "rate-coded", "precision": "float"},
            "--timesteps auto: --method rate-coded has one T",
        ),
        ({"timesteps": "auto", "winner": "race"}, "--timesteps auto: how long a race takes"),
        ({"timesteps": "auto", "budget": "0.5"}, "--timesteps auto: --budget chooses one T"),
        ({"timesteps": "auto", "latency": 0}, "--latency 0: at least 1"),
        ({"timesteps": 16, "latency": 100}, "--latency 100: limits what --timesteps auto chooses"),
        ({"base": 1.0}, "--base 1: .*must be above 1"),
        ({"base": 2.5}, "--base 2.5"),
        ({"base": math.nan}, "--base nan"),
        ({"target": "lava-sin"}, "--target lava-sin: unknown; did you mean lava-sim"),
        ({"target": "abacus"}, "known are closed-form, lava-sim, nir"),
        ({"precision": "double"}, "--precision double: unknown; known are fixed, float"),
        ({"method": "magic"}, "--method magic: unknown"),
        ({"granularity": "atom"}, "--granularity atom: unknown"),
        ({"spikes": 0}, "--spikes 0: at least 1"),
        ({"samples": 0}, "--samples 0: at least 1"),
        ({"batch_size": -1}, "--batch-size -1: at least 1"),
        ({"limit": 0}, "--limit 0: at least 1"),
        ({"calib": Path("a.npz"), "evaluation": Path("./a.npz")}, "--calib and --eval are both a.npz"),
        ({"model": "timm:x", "evaluation": Path("a.npz")}, "--eval without --calib"),
    ],
)
def test_one_line_names_the_option_and_the_remedy(changes: dict[str, object], words: str) -> None:
    with pytest.raises(DeployError, match=words) as caught:
        ConvertOptions(**changes).check(TARGETS)  # pyright: ignore[reportArgumentType]
    assert "\n" not in str(caught.value)


def test_defaults_and_limits_pass() -> None:
    ConvertOptions().check(TARGETS)
    ConvertOptions(timesteps=2, base=2.0).check(TARGETS)
    ConvertOptions(timesteps="auto", latency=300).check(TARGETS)
    ConvertOptions(base=math.nextafter(1.0, 2.0)).check(TARGETS)


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("demo", "out/demo"),
        ("timm:vit_tiny_patch16_224", "out/timm-vit_tiny_patch16_224"),
        ("hf:./models/bert/", "out/bert"),
        ("nets/mine.py:build", "out/mine.py-build"),
    ],
)
def test_results_go_to_a_folder_named_after_the_model(model: str, folder: str) -> None:
    assert ConvertOptions(model=model).folder() == Path(folder)
    assert ConvertOptions(model=model, out=Path("here")).folder() == Path("here")


def test_record_is_plain_and_leaves_out_what_was_left_out() -> None:
    record = ConvertOptions(calib=Path("a.npz")).record()
    assert record["calib"] == "a.npz"
    assert "evaluation" not in record
