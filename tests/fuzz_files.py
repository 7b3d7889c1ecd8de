"""Small valid files of every kind that deploy reads, each with what reads it: what the fuzzer damages."""

from __future__ import annotations

import functools
import io
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import nir
import numpy as np
import torch
import transformers
from gguf import GGUFWriter
from PIL import Image
from safetensors.torch import save as safetensors_bytes
from scipy.io import wavfile
from torch import nn

from deploy.fitting import save_table
from deploy.options import ConvertOptions
from deploy.options.config import read as read_config
from deploy.sources import InputSpec, LoadedModel, load_data, load_model
from deploy.sources.classes import read_labels
from deploy.sources.preprocessing import timm_input
from deploy.sources.signals import load_signals
from deploy.sources.tables import read_rows
from deploy.sources.waveforms import read_waveform
from deploy.sources.weights import read_weights
from processes.si_exp.table import load_table

SIZE = (3, 4, 4)
MODEL = LoadedModel(
    "net", "net", nn.Sequential(nn.Flatten(), nn.Linear(48, 2)).eval(), {"x": InputSpec("float32", SIZE)}, classes=2,
    image=timm_input(SIZE, interpolation="bilinear", crop_pct=1.0),
)  # fmt: skip
TENSORS = {"w": torch.ones(2, 2), "b": torch.ones(2)}
X = np.full((2, *SIZE), 0.5, np.float32)
OBJECTS = np.array([{}], dtype=object)
ROWS = 'text,label\n"a film, good",1\nbad,0\n'


HERE = b"@folder@"
"""Stands for the folder of a case in the content of its files."""


class Reader(NamedTuple):
    """A file ``name`` with ``content``, files ``beside`` it by name, and what reads it."""

    name: str
    content: bytes
    read: Callable[[Path], object]
    beside: Mapping[str, bytes] = {}


def _bytes(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    """The content of an .npz file."""
    return _bytes(lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def _image(kind: str, mode: str) -> bytes:
    image = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(10, 6)).convert(mode)
    return _bytes(lambda file: image.save(file, kind))


def _torch(content: object) -> bytes:
    return _bytes(lambda file: torch.save(content, file))


def _wav(kind: Any) -> bytes:
    return _bytes(lambda file: wavfile.write(file, 8000, np.zeros((40, 2), kind)))


def _data(file: Path) -> None:
    load_data(file, MODEL, "evaluation")


def _folder(file: Path) -> None:
    load_data(file.parents[1], MODEL, "evaluation")


def _signals(file: Path) -> None:
    load_signals(file, {"x": (3,)}, None, None, 1e-3)


def _model(file: Path) -> None:
    load_model(f"hf:{file.parent}")


def _texts(file: Path) -> None:
    load_data(file.parent / "rows.csv", load_model(f"hf:{file.parent}"), "evaluation")


def _config(file: Path) -> None:
    ConvertOptions(**read_config(file, ConvertOptions)).check(["closed-form"])


def _files_of(save: Callable[[Path], object]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder))
        return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def _vit() -> dict[str, bytes]:
    small = dict(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, num_labels=2, intermediate_size=8, image_size=16
    )
    model = transformers.ViTForImageClassification(transformers.ViTConfig(**small, patch_size=8))
    processor = transformers.ViTImageProcessor(size={"height": 16, "width": 16})
    return _files_of(lambda folder: (model.save_pretrained(folder), processor.save_pretrained(folder)))


def _bert() -> dict[str, bytes]:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film"]
    small = dict(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, max_position_embeddings=16
    )
    model = transformers.BertForSequenceClassification(transformers.BertConfig(**small, vocab_size=8, num_labels=2))

    def save(folder: Path) -> None:
        (folder / "vocab.txt").write_text("\n".join(words))
        transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
        model.save_pretrained(folder)

    return _files_of(save) | {"rows.csv": ROWS.encode()}


def _gguf() -> bytes:
    """A Llama of one layer on eight tokens."""
    random = np.random.default_rng(0)

    def save(folder: Path) -> None:
        writer = GGUFWriter(folder / "net.gguf", "llama")
        for number, add in (
            (16, writer.add_context_length), (8, writer.add_embedding_length), (1, writer.add_block_count),
            (16, writer.add_feed_forward_length), (2, writer.add_head_count), (2, writer.add_head_count_kv),
            (4, writer.add_rope_dimension_count),
        ):  # fmt: skip
            add(number)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(list("abcdefgh"))
        writer.add_token_merges(["a b"])
        shapes = {
            "token_embd": (8, 8),
            "output_norm": (8,),
            "output": (8, 8),
            "blk.0.attn_norm": (8,),
            "blk.0.ffn_norm": (8,),
        }
        shapes |= {f"blk.0.attn_{part}": (8, 8) for part in ("q", "k", "v", "output")}
        shapes |= {"blk.0.ffn_gate": (16, 8), "blk.0.ffn_up": (16, 8), "blk.0.ffn_down": (8, 16)}
        for name, shape in shapes.items():
            writer.add_tensor(f"{name}.weight", random.normal(size=shape).astype(np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    return _files_of(save)["net.gguf"]


def _events() -> bytes:
    """What nir.write_data writes of one node's spikes."""
    data = nir.NIRGraphData({"x": nir.NIRNodeData({"spikes": nir.TimeGriddedData(np.ones((2, 5, 3)), 1e-3)})})
    return _files_of(lambda folder: nir.write_data(str(folder / "d.nir"), data))["d.nir"]


def _table() -> bytes:
    return _files_of(lambda folder: save_table(TABLE, folder / "t.json"))["t.json"]


TABLE = load_table("exp", 12, -1.0, 1.0)


@functools.cache
def readers() -> tuple[Reader, ...]:
    """Every kind of single file, and files of folders that other libraries wrote."""
    vit, bert = _vit(), _bert()
    return (
        Reader("d.npz", npz(x=X, y=np.array([0, 1])), _data),
        Reader("d.npz", npz(x=X, y=np.array(["0", "1"])), _data),
        Reader("d.npz", npz(x=OBJECTS), _data),
        Reader("d.npy", npz(x=X)[:200], _data),
        Reader("s.npz", npz(x=np.ones((2, 5, 3)), y=np.array([0, 1])), _signals),
        Reader("s.dat", npz(x=np.ones((2, 5, 3))), _signals),
        Reader("s.nir", _events(), _signals),
        Reader("w.safetensors", safetensors_bytes(TENSORS), read_weights),
        Reader("w.pt", _torch({"state_dict": TENSORS, "epoch": 3}), read_weights),
        Reader("w.pth", _torch(nn.Linear(2, 2)), read_weights),
        Reader("w.ckpt", _torch({"model": TENSORS, "ema": {"w": torch.zeros(2, 2)}}), read_weights),
        Reader("l.json", json.dumps({"a": 0, "b": "x"}).encode(), read_labels),
        Reader("t.json", _table(), lambda file: save_table(TABLE, file)),
        Reader("c.yaml", b"timesteps: 8\nbase: 1.6\nmodel: a.py:b\noverrides: {x.*: {spikes: 2}}\nlimit: 3\n", _config),
        Reader("t.csv", ROWS.encode(), read_rows),
        Reader("t.csv", ROWS.encode("utf-16"), read_rows),
        Reader("t.tsv", ROWS.replace(",", "\t").encode("utf-8-sig"), read_rows),
        Reader("t.jsonl", b'{"text": "a", "label": 1}\n{"text": "b", "label": 0.5}\n', read_rows),
        Reader("a.wav", _wav(np.int16), lambda file: read_waveform(file, 16000)),
        Reader("a.wav", _wav(np.float32), lambda file: read_waveform(file, 16000)),
        *(Reader(f"0/a.{kind}", _image(kind, mode), _folder) for kind, mode in
          (("png", "L"), ("png", "P"), ("jpeg", "CMYK"), ("gif", "P"), ("tiff", "RGB"), ("bmp", "1"), ("webp", "RGB"))),
        Reader("net.gguf", _gguf(), lambda file: load_model(f"hf:{file}")),
        *(Reader(name, vit[name], _model, vit) for name in ("config.json", "preprocessor_config.json", "model.safetensors")),
        *(Reader(name, bert[name], _texts, bert) for name in ("config.json", "tokenizer.json", "tokenizer_config.json")),
    )  # fmt: skip
