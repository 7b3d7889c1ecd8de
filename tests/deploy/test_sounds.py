"""Recordings and time series: what enters the network is what the model's own extractor makes of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from scipy.io import wavfile

import deploy
from deploy.cli import main
from deploy.errors import DeployError
from deploy.sources import load_data, load_model
from deploy.sources.waveforms import read_waveform

RATE = 800
CONV: dict[str, Any] = {
    "conv_dim": (8, 8), "conv_kernel": (10, 4), "conv_stride": (5, 4), "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "classifier_proj_size": 8,
}  # fmt: skip
SMALL: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 12,
    "label2id": {"low": 0, "high": 1}, "id2label": {0: "low", 1: "high"},
}  # fmt: skip


def waveform_model(folder: Path, kind: str = "Wav2Vec2", head: str = "ForSequenceClassification") -> Path:
    """A model of raw waveforms, saved with its extractor."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**SMALL, **CONV)
    getattr(transformers, kind + head)(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=RATE, do_normalize=True).save_pretrained(folder)
    return folder


def tone(pitch: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)


def recordings(folder: Path, count: int = 4) -> Path:
    """Low and high tones, by class, of several lengths."""
    for name, pitch in (("low", 20), ("high", 150)):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            samples = tone(pitch + index, 0.15 + 0.05 * index)
            wavfile.write(folder / name / f"{index}.wav", RATE, (32767 * samples).astype(np.int16))
    return folder


@pytest.mark.parametrize(
    "dtype, factor, offset",
    [("int16", 2**15, 0), ("int32", 2**31, 0), ("uint8", 2**7, 128), ("float32", 1, 0), ("float64", 1, 0)],
)
def test_a_waveform_is_in_the_unit_range(tmp_path: Path, dtype: str, factor: float, offset: int) -> None:
    wanted = np.array([0.0, 0.5, -0.5, -1.0])
    wavfile.write(tmp_path / "a.wav", RATE, (wanted * factor + offset).astype(dtype))
    np.testing.assert_array_equal(read_waveform(tmp_path / "a.wav", RATE), wanted.astype(np.float32))


def test_channels_are_averaged_and_rates_converted(tmp_path: Path) -> None:
    left, right = tone(10, 1, 2 * RATE), tone(30, 1, 2 * RATE)
    wavfile.write(tmp_path / "a.wav", 2 * RATE, np.stack([left, right], 1).astype(np.float32))
    found = read_waveform(tmp_path / "a.wav", RATE)
    assert found.shape == (RATE,)
    wanted = (tone(10, 1) + tone(30, 1)) / 2
    assert np.abs(found - wanted)[50:-50].max() < 1e-3  # the resampling filter rings at the ends
    assert np.abs(found - tone(10, 1) / 2)[50:-50].max() > 0.1  # one channel alone is not it


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\x10\x00\x00\x00WAVEfmt ", b"no sound at all, but text" * 9])
def test_damaged_recordings_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(DeployError, match=r"a\.wav"):
        read_waveform(tmp_path / "a.wav", RATE)


def test_a_folder_of_recordings_is_what_the_extractor_makes_of_it(tmp_path: Path) -> None:
    model = load_model(f"hf:{waveform_model(tmp_path / 'model')}", arguments={"seconds": 0.25})
    assert model.inputs["x"].shape == (200,) and model.classes == 2
    data = load_data(recordings(tmp_path / "sounds"), model, "evaluation")
    assert (
        data.labels is not None and data.labels.tolist() == [1, 0] * 4 and "Wav2Vec2FeatureExtractor" in data.transform
    )
    extractor = transformers.AutoFeatureExtractor.from_pretrained(tmp_path / "model")
    rate, samples = wavfile.read(tmp_path / "sounds/low/3.wav")  # longer than what the network takes
    cut = extractor(samples / 2**15, sampling_rate=rate, max_length=200, truncation=True, return_tensors="np")
    np.testing.assert_allclose(data.inputs["x"][7], cut["input_values"][0], atol=1e-6)
    short = load_data(tmp_path / "sounds", model, "evaluation").inputs["x"][0]
    assert np.ptp(short[120:]) == 0 < np.ptp(short[:120])  # silence behind the recording


@pytest.mark.parametrize("kind, head", [("Hubert", "ForSequenceClassification"), ("Wav2Vec2", "ForCTC")])
def test_other_models_of_waveforms(tmp_path: Path, kind: str, head: str) -> None:
    model = load_model(f"hf:{waveform_model(tmp_path, kind, head)}")
    assert model.inputs["x"].shape == (RATE,) and model.classes == (2 if head != "ForCTC" else None)
    assert model.module(torch.zeros(1, RATE)).ndim == (2 if head != "ForCTC" else 3)


def test_a_model_of_spectrograms(tmp_path: Path) -> None:
    shape: dict[str, Any] = {"max_length": 32, "num_mel_bins": 16}
    config = transformers.ASTConfig(**{**SMALL, **shape}, patch_size=8, frequency_stride=8, time_stride=8)
    transformers.ASTForAudioClassification(config).save_pretrained(tmp_path)
    transformers.ASTFeatureExtractor(sampling_rate=8000, **shape).save_pretrained(tmp_path)
    model = load_model(f"hf:{tmp_path}")
    assert model.inputs["x"].shape == (32, 16)
    with pytest.raises(DeployError, match="a length of its own"):
        load_model(f"hf:{tmp_path}", arguments={"seconds": 2})


def test_recordings_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, sounds, out = waveform_model(tmp_path / "model"), recordings(tmp_path / "sounds", 3), tmp_path / "out"
    given = ["--model", f"hf:{model}", "--model-args", "seconds=0.25", "--calib", str(sounds)]
    assert main(["convert", *given, "--target", "stepper", "--timesteps", "8", "--base", "1.5", "-o", str(out)]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["exactness"]["mismatches"] == 0 and report["exactness"]["compared_spikes"] > 0
    assert report["snn"]["accuracy"] is not None
    capsys.readouterr()


@pytest.mark.parametrize("seconds", [0, -1, "long", 1e9, True])
def test_lengths_that_are_none(tmp_path: Path, seconds: Any) -> None:
    with pytest.raises(DeployError, match="seconds"):
        load_model(f"hf:{waveform_model(tmp_path)}", arguments={"seconds": seconds})


def test_a_model_without_its_extractor(tmp_path: Path) -> None:
    (waveform_model(tmp_path) / "preprocessor_config.json").unlink()
    with pytest.raises(DeployError, match="its feature extractor cannot be built"):
        load_model(f"hf:{tmp_path}")


def test_a_folder_without_recordings(tmp_path: Path) -> None:
    model = load_model(f"hf:{waveform_model(tmp_path / 'model')}")
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "a.mp3").touch()
    with pytest.raises(DeployError, match="holds no recordings; give one subfolder per class with wav files"):
        load_data(tmp_path / "sounds", model, "evaluation")


def series_model(folder: Path, head: str, **more: Any) -> str:
    torch.manual_seed(0)
    config = transformers.PatchTSTConfig(
        context_length=16, num_input_channels=2, patch_length=4, patch_stride=4, d_model=16, num_attention_heads=2,
        num_hidden_layers=1, ffn_dim=16, prediction_length=4, **more,
    )  # fmt: skip
    getattr(transformers, f"PatchTST{head}")(config).save_pretrained(folder)
    return f"hf:{folder}"


@pytest.mark.parametrize(
    "head, more, classes",
    [("ForClassification", {"num_targets": 3, "use_cls_token": True}, 3), ("ForPrediction", {"loss": "mse"}, None)],
)
def test_time_series(tmp_path: Path, head: str, more: dict[str, Any], classes: int | None) -> None:
    spec = series_model(tmp_path / "model", head, **more)
    model = load_model(spec)
    assert model.classes == classes and model.inputs["x"].shape == (16, 2)
    series = np.random.default_rng(0).normal(size=(20, 16, 2)).astype(np.float32).cumsum(1)
    np.savez(tmp_path / "series.npz", past_values=series)
    data = load_data(tmp_path / "series.npz", model, "calibration")
    np.testing.assert_array_equal(data.inputs["x"], series)
    spiking = deploy.convert(model.module, series, timesteps=24, spikes=2, base=1.3)
    assert spiking.verify(samples=1, x=series, target="stepper").mismatches == 0
    cosine = spiking.report.snn.output_cosine
    assert cosine is not None and cosine > 0.99
