"""Language models: windows of text and their scores, generation, GGUF files, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from gguf import GGUFWriter
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

import deploy
from deploy import evaluation
from deploy.cli import main
from deploy.conversion import Conversion
from deploy.errors import DeployError
from deploy.evaluation.work import Batch, run_batch
from deploy.language import following
from deploy.language.generate import Choice, prompt_tokens
from deploy.language.scores import COLUMNS, Windows, scores, windows
from deploy.report.page import render
from deploy.schema import read_report
from deploy.sources.loaded import TextInput
from deploy.sources.texts import encoded

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers, while it builds and exports models

TEXT = "spikes are events in time. " * 12
WINDOW = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama on bytes, converted."""
    folder = tmp_path_factory.mktemp("language")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = Tokenizer(models.BPE({letter: i + 1 for i, letter in enumerate(alphabet)} | {"<end>": 0}, []))
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    tokens.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokens, eos_token="<end>").save_pretrained(folder / "llama")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = transformers.LlamaConfig(**sizes, intermediate_size=24, vocab_size=257, max_position_embeddings=20)
    model = transformers.LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    model.save_pretrained(folder / "llama")
    (folder / "calib.txt").write_text(TEXT, encoding="utf-8")
    (folder / "eval.txt").write_text(TEXT[40:], encoding="utf-8")
    code = main(
        f"convert --model hf:{folder / 'llama'} --calib {folder / 'calib.txt'} --eval {folder / 'eval.txt'} --target "
        f"closed-form --tokens {WINDOW} --timesteps 16 --base 1.3 --spikes 2 -o {folder / 'out'}".split()
    )
    assert code == 0
    return folder


@pytest.fixture(scope="module")
def network(folder: Path) -> Conversion:
    return deploy.load(folder / "out")


@pytest.mark.parametrize("length, stride", [(8, 8), (8, 3), (8, 1), (40, 20)])
def test_every_token_but_the_first_is_predicted_once(length: int, stride: int) -> None:
    document = np.arange(100, 130)
    found = windows(document, length, stride)
    assert found.tokens.shape[1] == length
    counted = [t for row, (a, b) in zip(found.tokens, found.counted, strict=True) for t in row[a:b]]
    assert counted == document[1:].tolist()
    firsts = [first for first, _ in found.counted[1:]]
    assert all(first >= length - stride for first in firsts[:-1])  # with as much before it as the stride leaves


def test_a_stride_that_leaves_tokens_out_is_refused() -> None:
    with pytest.raises(DeployError, match="give 1 to 8"):
        windows(np.arange(30), 8, 9)


def test_scores_are_those_of_the_definitions() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 7, (2, 5))
    original, spiking = (rng.normal(size=(2, 5, 7)).astype(np.float32) for _ in range(2))
    rows = scores(original, spiking, Windows(tokens, np.array([[1, 5], [3, 4]])))
    loss = torch.nn.CrossEntropyLoss(reduction="sum")
    for row, places in zip(rows, ([1, 2, 3, 4], [3]), strict=True):
        of = 0 if len(places) == 4 else 1
        named = dict(zip(COLUMNS, row, strict=True))
        targets, before = torch.from_numpy(tokens[of, places]), [p - 1 for p in places]
        assert named["tokens"] == len(places)
        assert named["original"] == pytest.approx(float(loss(torch.from_numpy(original[of, before]).double(), targets)))
        assert named["spiking"] == pytest.approx(float(loss(torch.from_numpy(spiking[of, before]).double(), targets)))
        assert named["same"] == (original[of, before].argmax(-1) == spiking[of, before].argmax(-1)).sum()
        assert named["divergence"] > 0
    assert scores(original, original, Windows(tokens, np.array([[1, 5], [3, 4]])))[:, 3] == pytest.approx(0)


def test_perplexity_of_a_text(folder: Path, network: Conversion, monkeypatch: pytest.MonkeyPatch) -> None:
    def inline(job: Any, numbers: Any, cut: Any, workers: int) -> Iterator[tuple[int, Batch]]:
        for number in numbers:
            yield number, run_batch(job, cut(number))

    monkeypatch.setattr(evaluation, "on_this_machine", inline)
    arguments = [
        "evaluate",
        str(folder / "out"),
        "--data",
        str(folder / "eval.txt"),
        "--stride",
        "6",
        "--batch-size",
        "7",
    ]
    assert main(arguments) == 0
    found = json.loads((folder / "out" / "evaluation.json").read_text())["language"]
    numbers = np.frombuffer(TEXT[40:].encode(), np.uint8)
    length = len(numbers) // WINDOW * WINDOW
    assert (found["tokens"], found["window"], found["stride"]) == (length - 1, WINDOW, 6)
    data = network.origin.evaluation.inputs["input_ids"].reshape(-1)
    read = windows(data, WINDOW, 6)
    with torch.no_grad():
        logits = network.origin.model.module(torch.from_numpy(read.tokens)).numpy()
    rows = scores(logits, network.run(read.tokens), read).sum(0)
    assert found["original_perplexity"] == pytest.approx(np.exp(rows[1] / rows[0]))
    assert found["spiking_perplexity"] == pytest.approx(np.exp(rows[2] / rows[0]), rel=1e-3)
    assert found["original_perplexity"] != pytest.approx(found["spiking_perplexity"], rel=1e-6)
    assert main(["evaluate", str(folder / "out"), "--stride", "13"]) == 2


def test_the_report_predicts_and_writes(folder: Path, network: Conversion) -> None:
    report = json.loads((folder / "out" / "report.json").read_text())
    data = network.origin.evaluation.inputs["input_ids"]
    given = Windows(data, np.tile([1, WINDOW], (len(data), 1)))
    with torch.no_grad():
        logits = network.origin.model.module(torch.from_numpy(data)).numpy()
    count, original, spiking, divergence, same = scores(logits, network.run(data), given).sum(0)
    found = report["language"]
    assert found["tokens"] == count == len(data) * (WINDOW - 1)
    assert found["original_perplexity"] == pytest.approx(np.exp(original / count), rel=1e-3)
    assert found["spiking_perplexity"] == pytest.approx(np.exp(spiking / count), rel=1e-3)
    assert found["next_token_agreement"] == same / count and found["divergence"] == pytest.approx(
        divergence / count, rel=1e-3
    )
    prompt = data[0, : WINDOW // 2].tolist()
    ours, theirs = (list(network.generate(prompt, WINDOW - len(prompt), target=t)) for t in ("closed-form", None))
    assert report["written"]["prompt"] == TEXT[40:][: len(prompt)]
    assert report["written"]["spiking"] == [token.text for token in ours]
    assert report["written"]["original"] == [token.text for token in theirs]
    assert report["written"]["spikes_per_token"] == pytest.approx(np.mean([token.spikes for token in ours[1:]]))


def test_a_sweep_has_perplexities(folder: Path, network: Conversion) -> None:
    out = folder / "sweep"
    asked = f"sweep --model hf:{folder / 'llama'} --calib {folder / 'calib.txt'} --eval {folder / 'eval.txt'}".split()
    assert (
        main([*asked, *f"--tokens {WINDOW} --timesteps 4,16 --base 1.3 --spikes 2 --workers 1 -o {out}".split()]) == 0
    )
    few, many = json.loads((out / "sweep.json").read_text())["points"]
    wanted = json.loads((folder / "out" / "report.json").read_text())["language"]  # of windows as long
    assert few["ann_perplexity"] == many["ann_perplexity"] == pytest.approx(wanted["original_perplexity"], rel=1e-6)
    assert many["perplexity"] == pytest.approx(wanted["spiking_perplexity"], rel=1e-6)
    assert abs(few["perplexity"] - few["ann_perplexity"]) > abs(many["perplexity"] - many["ann_perplexity"])
    page = (out / "sweep.html").read_text()
    assert "Perplexity against T" in page and "Perplexity against spikes" in page
    assert ">original</text>" in page  # the level that all are to come near


def test_the_page_marks_tokens_that_differ(folder: Path, network: Conversion) -> None:
    report = read_report(folder / "out")
    assert report.written is not None
    same = replace(report, written=replace(report.written, original=("a", " b"), spiking=("a", " b")))
    other = replace(report, written=replace(report.written, original=("a",), spiking=("a", " <c>")))
    assert "<mark>" not in render(same, network.figures) and "How it predicts text" in render(same, network.figures)
    assert "<dd>a<mark> &lt;c&gt;</mark></dd>" in render(other, network.figures)
    plain = render(replace(report, written=None, language=None), network.figures)
    assert "What it writes" not in plain and "How it predicts text" not in plain


def test_no_token_sees_a_later_one(network: Conversion) -> None:
    """In integers exactly, spike for spike: what generation by windows rests on."""
    rng = np.random.default_rng(0)
    first = rng.integers(1, 257, (1, WINDOW))
    other = first.copy()
    other[:, 7:] = rng.integers(1, 257, (1, WINDOW - 7))
    one, two = network.run(first)[0], network.run(other)[0]
    assert (one[:7] == two[:7]).all() and (one[7:] != two[7:]).any()


def test_generated_tokens_follow_from_each_other(network: Conversion) -> None:
    prompt = [5, 9, 70]
    found = [token.number for token in network.generate(prompt, 6)]
    tokens = list(prompt)
    for number in found:
        padded = np.array([tokens + [1] * (WINDOW - len(tokens))])
        assert number == network.run(padded)[0, len(tokens) - 1].argmax()
        tokens.append(number)
    assert [t.number for t in network.generate(prompt, 2, target="stepper")] == found[:2]
    theirs = [token.number for token in network.generate(prompt, 1, target=None)]
    with torch.no_grad():
        logits = network.origin.model.module(torch.tensor([prompt + [1] * 9]))
    assert theirs == [int(logits[0, 2].argmax())]


def test_tokens_go_on_from_held_traces(network: Conversion) -> None:
    """The prompt runs once, each token alone, and the outputs are exactly those of whole windows."""
    prompt = [5, 9, 70]
    found = list(network.generate(prompt, 5))
    assert [token.tokens for token in found] == [3, 1, 1, 1, 1]
    assert all(token.spikes > 0 and token.microjoules > 0 and token.steps > 0 for token in found)
    source = network.source()
    for length in (2, 5, 6):
        tokens = [*prompt, *(token.number for token in found)][:length]
        window = np.array([tokens + [1] * (WINDOW - length)])
        assert (source.following(tokens).logits == network.run(window)[0, length - 1]).all()
    assert [token.tokens for token in network.generate(prompt, 2, target="stepper")] == [WINDOW] * 2
    spent = sum(token.spikes for token in network.generate(prompt, 3, target="stepper"))
    assert sum(token.spikes for token in found[:3]) < spent / 3


def test_a_network_that_cannot_go_on_runs_its_window(network: Conversion, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(network: Any) -> None:
        raise DeployError("node 'x' cannot go on token by token: it mixes tokens")

    expected = [token.number for token in network.generate("ab", 4)]
    monkeypatch.setattr(following, "Continued", refuses)
    found = list(network.generate("ab", 4))
    assert [token.number for token in found] == expected and {token.tokens for token in found} == {WINDOW}


TEMPLATE = (
    "{% for turn in messages %}{% if turn.role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}"
    "<{{ turn.role }}>{{ turn.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="module")
def chat(folder: Path, network: Conversion) -> TextInput:
    """The model's text side with a tokenizer that has a chat template."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "llama")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder / "chat")
    assert network.origin.model.text is not None
    return replace(network.origin.model.text, tokenizer=str(folder / "chat"))


def test_a_text_becomes_the_users_turn(chat: TextInput) -> None:
    wanted = encoded("<user>hi<assistant>", chat, "here").tolist()
    assert prompt_tokens("hi", chat, chat=True) == wanted
    assert prompt_tokens([{"role": "user", "content": "hi"}], chat, chat=True) == wanted
    assert prompt_tokens("hi", chat, chat=False) == encoded("hi", chat, "here").tolist() != wanted


def test_a_conversation_that_a_template_does_not_take(chat: TextInput, network: Conversion) -> None:
    plain = network.origin.model.text
    assert plain is not None
    for turns, text, message in (
        ([{"role": "clown", "content": "hi"}], chat, "turn of 'clown'; roles are system, user, assistant"),
        ([{"role": "user", "content": " "}], chat, "is empty"),
        ([{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}], chat, "no system turns"),
        ([{"role": "user", "content": "hi"}], plain, "has no chat template"),
    ):
        with pytest.raises(DeployError, match=message) as told:
            prompt_tokens(turns, text, chat=True)
        assert "\n" not in str(told.value)


def test_a_tokenizer_of_another_model(chat: TextInput) -> None:
    with pytest.raises(DeployError, match="the model knows 20: it is another model's"):
        prompt_tokens("zebra", replace(chat, vocabulary=20), chat=False)


def test_a_token_that_the_model_does_not_know(network: Conversion) -> None:
    with pytest.raises(DeployError, match="it knows 0 to 256"):
        next(network.generate([5, 257], 1))
    with pytest.raises(DeployError, match="has no tokens"):
        network.generate([], 1)
    with pytest.raises(DeployError, match="no text, no turns"):
        network.generate([5, "b"], 1)  # type: ignore[list-item]


def test_draws_are_those_of_their_seed(network: Conversion) -> None:
    def drawn(seed: int, top_k: int | None = None) -> list[int]:
        return [token.number for token in network.generate("ab", 6, Choice(1.5, top_k, seed))]

    assert drawn(0) == drawn(0)
    assert len({tuple(drawn(seed)) for seed in range(4)}) > 1
    assert drawn(3, top_k=1) == [token.number for token in network.generate("ab", 6)]


def test_text_is_printed_beside_the_original(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["generate", str(folder / "out"), "--prompt", "time", "--max-new-tokens", "4", "--beside-original"]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert "the first ran 4 tokens: per token" in told and "each further one ran 1: per token" in told
    assert "time steps" in told and "spikes" in told and "µJ" in told and "of 4 tokens are the same" in told


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--prompt", " "], "is empty"),
        (["--prompt", "spikes", "--max-new-tokens", "7"], "13; the network was converted for 12"),
        (["--prompt", "spikes", "--max-new-tokens", "30"], "as the model has 20 positions and no more"),
        (["--prompt", "spikes", "--system", "be brief"], "has no chat template"),
        (["--prompt", "a", "--max-new-tokens", "0"], "--max-new-tokens"),
        (["--prompt", "a", "--temperature", "-1"], "--temperature"),
        (["--prompt", "a", "--top-k", "900"], "knows 257 tokens"),
        (["--prompt", "a", "--target", "abacus"], "abacus"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", str(folder / "out"), *arguments]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1


def test_data_that_a_language_model_does_not_take(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, short = folder / "table.tsv", folder / "short.txt"
    table.write_text("text\nspikes\n")
    short.write_text("spikes")
    begin = ["convert", "--model", f"hf:{folder / 'llama'}", "-o", str(folder / "none"), "--tokens", "12"]
    for data, message in ((table, "give a .txt file"), (short, "has 6 tokens, a window takes 12")):
        assert main([*begin, "--calib", str(data)]) == 2
        assert message in capsys.readouterr().err
    assert main([*begin[:-1], "21", "--calib", str(folder / "calib.txt")]) == 2
    assert "has 20 positions" in capsys.readouterr().err
    assert main(["convert", "--tokens", "8", "-o", str(folder / "none")]) == 2
    assert "no language model" in capsys.readouterr().err


def test_gguf_files_that_nobody_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged, foreign, text = (tmp_path / name for name in ("damaged.gguf", "foreign.gguf", "text.txt"))
    damaged.write_bytes(b"no such file format")
    text.write_text("words")
    writer = GGUFWriter(foreign, "abacus")
    writer.add_block_count(1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    for path, message in (
        (damaged, "does not begin as a GGUF file"), (foreign, "cannot read this GGUF file"),
        (tmp_path / "none.gguf", "no such file"),
    ):  # fmt: skip
        assert main(["convert", "--model", f"hf:{path}", "--calib", str(text), "-o", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err
