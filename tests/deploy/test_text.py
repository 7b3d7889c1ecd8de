"""A text classifier from its folder and its tables to a report, and on to an evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from deploy import evaluation
from deploy.cli import main
from deploy.evaluation.work import Batch, run_batch

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers, while it builds and exports models

WORDS = ["[PAD]", "[UNK]", "good", "bad", "film", "plot", "was", "the", "a", "not"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BERT with a tokenizer; calibration texts of up to 4 tokens, evaluation texts of up to 6."""
    folder = tmp_path_factory.mktemp("text")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BertConfig.from_dict(sizes | {"vocab_size": len(WORDS), "max_position_embeddings": 16})
    transformers.BertForSequenceClassification(config).eval().save_pretrained(folder / "bert")
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")
    tokenizer.save_pretrained(folder / "bert")
    random = np.random.default_rng(0)

    def table(name: str, rows: int, longest: int) -> None:
        lengths = [longest, *random.integers(2, longest + 1, rows - 1)]
        lines = [f"{' '.join(random.choice(WORDS[2:], n))}\t{i % 2}" for i, n in enumerate(lengths)]
        (folder / name).write_text("\n".join(["text\tlabel", *lines]) + "\n")

    table("calib.tsv", 12, 4)
    table("eval.tsv", 8, 6)
    table("short.tsv", 5, 3)
    table("long.tsv", 5, 9)
    code = main(
        f"convert --model hf:{folder / 'bert'} --calib {folder / 'calib.tsv'} --eval {folder / 'eval.tsv'} --target"
        f" closed-form --timesteps 12 --base 1.4 -o {folder / 'out'}".split()
    )
    assert code == 0
    return folder


def test_what_stays_on_the_host_is_in_the_report(folder: Path) -> None:
    report = json.loads((folder / "out" / "report.json").read_text())
    first = report["not_spiking"][0]
    assert first["what"] == "Before the input" and "embeddings" in first["why"] and "mask" in first["why"]
    assert report["samples"] == 8 and report["agreement"] > 0.5 and "exactness" not in report


def test_other_texts_are_padded_and_never_cut(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def inline(job: Any, numbers: Any, cut: Any, workers: int) -> Iterator[tuple[int, Batch]]:
        for number in numbers:
            yield number, run_batch(job, cut(number))

    monkeypatch.setattr(evaluation, "on_this_machine", inline)
    assert main(["evaluate", str(folder / "out"), "--data", str(folder / "short.tsv"), "--batch-size", "3"]) == 0
    found = json.loads((folder / "out" / "evaluation.json").read_text())
    assert found["samples"] == 5 and 0 <= found["snn"]["accuracy"] <= 1 and found["snn"]["output_cosine"] > 0.5
    assert main(["evaluate", str(folder / "out"), "--data", str(folder / "long.tsv")]) == 2
    assert "9 tokens, the network was converted for 6" in capsys.readouterr().err
