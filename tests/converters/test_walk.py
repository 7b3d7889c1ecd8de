"""The walk over libraries: what it says of a model is what happened, and whatever happens, it goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from converters.lowering.equality import EQUAL
from converters.walk import Found, LeftOut, Model, Subject, hugging_face, judge, timm_models
from converters.walk.page import page
from converters.walk.runs import known, walk


def subject(name: str, build: Callable[[], nn.Module]) -> Subject:
    def built() -> tuple[str, Model]:
        return name, (build(), (torch.rand(2, 3, 8, generator=torch.Generator().manual_seed(0)),))

    return Subject(f"own {name}", built)


class Sorted(nn.Module):
    """What no neuron here computes, twice."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.round() + (2 * x).round() + x.sort(-1).values


def leave() -> nn.Module:
    os._exit(3)


def crash() -> nn.Module:
    raise KeyError("nobody foresaw this")


def left_out() -> nn.Module:
    raise LeftOut("nothing feeds it")


def large() -> nn.Module:
    return nn.Linear(8, bytearray(4 * 10**9)[0] + 1)


def slow() -> nn.Module:
    time.sleep(60)
    return nn.Identity()


def test_what_is_accepted_tells_how_far_it_is_from_the_model() -> None:
    found = judge.judge(subject("linear", lambda: nn.Linear(8, 4)))
    assert found.state == "accepted" and found.deviation is not None and found.deviation < EQUAL and not found.reasons


def test_what_is_refused_lists_every_operation() -> None:
    found = judge.judge(subject("sorted", Sorted))
    assert found.state == "refused" and found.deviation is None
    assert len(found.reasons) == 2
    assert "`round`" in found.reasons[0] and "(2 times)" in found.reasons[0] and "`sort`" in found.reasons[1]


def test_what_is_accepted_wrongly_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    true = judge.lower
    other = judge.capture(nn.Linear(8, 4), (torch.rand(1, 3, 8),))
    monkeypatch.setattr(judge, "lower", lambda captured, shape: true(other, shape))
    found = judge.judge(subject("wrong", lambda: nn.Linear(8, 4)))
    assert found.state == "failed" and "deviates" in found.reasons[0]


def test_a_crash_fails_and_what_cannot_be_built_is_left_out() -> None:
    found = judge.judge(subject("crash", crash))
    assert found.state == "failed" and "KeyError" in found.reasons[0]
    assert judge.judge(subject("left", left_out)).state == "left out"


def test_every_parameter_and_statistic_is_spread() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    after = judge.spread(model).state_dict()
    same = [name for name, value in after.items() if torch.equal(value, before[name])]
    assert same == ["1.num_batches_tracked"] and bool((after["1.running_var"] > 0).all())


def test_a_walk_survives_and_is_resumed(tmp_path: Path) -> None:
    results = tmp_path / "out" / "found.jsonl"
    subjects = [
        subject("linear", lambda: nn.Linear(8, 4)), subject("exit", leave), subject("large", large), subject("slow", slow),
    ]  # fmt: skip
    found = {one.family: one for one in walk(subjects[:1], results, jobs=1, timeout=60, memory=2)}
    assert found["own linear"].state == "accepted"
    with results.open("a") as file:
        file.write('{"family": "own half')  # what an interrupted run leaves
    results.write_text(results.read_text() + "\n")
    subjects[0] = subject("linear", leave)  # would fail if it were walked again
    found = {one.family: one for one in walk(subjects, results, jobs=3, timeout=6, memory=2)}
    assert found["own exit"].state == "failed" and "exit code 3" in found["own exit"].reasons[0]
    assert found["own large"].state == "left out" and "memory" in found["own large"].reasons[0]
    assert found["own slow"].state == "left out" and "longer than 6 seconds" in found["own slow"].reasons[0]
    assert sorted(one.family for one in known(results)) == ["own exit", "own large", "own linear", "own slow"]
    assert not list(walk(subjects, results, jobs=1, timeout=60, memory=2))


def test_the_page_counts_what_was_found() -> None:
    found = [
        Found("timm a", "a1, 64 pixels", "accepted", (), 1e-9, 2.0),
        Found("timm b", "b1", "refused", ("`round`: x | y", "`sort`: z"), None, 2.0),
        Found("transformers c", "C", "refused", ("`round`: x",), None, 2.0),
        Found("transformers d", "", "left out", ("it takes longer",), None, 2.0),
    ]
    text = page(found, {"timm": 2, "transformers": 9})
    assert "| timm | 1 | 1 | 0 | 0 | 2 of 2 |" in text and "| transformers | 0 | 1 | 0 | 1 | 2 of 9 |" in text
    assert "| `round` | 2 | 1 |" in text and "| `sort` | 1 | 0 |" in text and "x \\| y" in text


def test_every_module_of_timm_is_there_once() -> None:
    families = [one.family for one in timm_models.subjects()]
    assert len(families) == len(set(families)) > 80 and "timm resnet" in families
    assert timm_models.smallest("convmixer") == "convmixer_768_32"
    assert all("test_" not in name for name in timm_models.names("resnet"))


def test_architectures_are_built_small() -> None:
    families = [one.family for one in hugging_face.subjects()]
    assert len(families) == len(set(families)) > 400 and "transformers llama" in families
    for kind, name in (("llama", "LlamaForCausalLM"), ("vit", "ViTForImageClassification")):
        built, (model, samples) = hugging_face.built(kind, name)
        assert built.startswith(name) and sum(p.numel() for p in model.parameters()) < 100_000
        assert model(*samples).shape[0] == len(samples[0])
    with pytest.raises(LeftOut, match="takes states"):
        hugging_face.built("decision_transformer", "DecisionTransformerModel")


@pytest.mark.parametrize(
    "kind, name, arguments",
    [
        ("clip", "CLIPModel", ("input_ids", "pixel_values")),
        ("t5", "T5Model", ("input_ids", "decoder_input_ids")),
        ("audio-spectrogram-transformer", "ASTForAudioClassification", ("input_values",)),
    ],
)
def test_architectures_of_several_inputs_are_fed(kind: str, name: str, arguments: tuple[str, ...]) -> None:
    _, (model, samples) = hugging_face.built(kind, name)
    assert isinstance(model, hugging_face.OneTensor) and model.arguments == arguments
    assert bool(torch.isfinite(model(*(each[:1] for each in samples))).all())
