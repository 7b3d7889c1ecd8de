"""Forms that models write, converted to integers: they compute what the model does, and stepped, spike for spike the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.pipeline import convert_module
from evaluator.closed_form import ClosedForm
from tests.converters.modules import module
from tests.evaluator.test_stepping import compare
from tests.tolerances import WRITTEN_FORMS


def decayed(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Mamba-2's: each of eight heads weighs earlier tokens by what has decayed between, at rates that depend on the input."""
    rates = F.softplus(m.a(x)).mT * torch.linspace(-0.5, -0.1, 8)[:, None]
    through = rates.cumsum(-1)
    apart = through[..., :, None] - through[..., None, :]
    return (apart.masked_fill(~torch.ones(5, 5, dtype=torch.bool).tril(), -torch.inf).exp() @ x[:, None]).mean(1)


def weighted(m: Any, x: torch.Tensor) -> torch.Tensor:
    """RWKV's: keys weigh values of earlier tokens, by exponentials less the largest so far, which starts at minus infinity."""
    keys, numerator, denominator, largest = m.a(x), torch.zeros(1, 8), torch.zeros(1, 8), torch.full((1, 8), -1e38)
    outputs = []
    for token in range(5):
        above = torch.maximum(largest - 0.5, keys[:, token])
        before, now = (largest - 0.5 - above).exp(), (keys[:, token] - above).exp()
        numerator, denominator, largest = before * numerator + now * x[:, token], before * denominator + now, above
        outputs.append(numerator / denominator)
    return torch.stack(outputs, 1)


def xielu(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Apertus's activation (arXiv 2411.13010): a square above zero, an exponential below."""
    y = m.a(x)
    return torch.where(y > 0, 0.8 * y * y + 0.5 * y, (torch.expm1(y.clamp(max=-1e-6)) - y) * 0.9 + 0.5 * y)


def changed(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Parts that are written over, through views and at places."""
    y = 1.5 * m.a(x)
    y[:, :2] += 1
    F.silu(y[..., 2:6], inplace=True)
    y[:, [0, 3], 1:3] = x[:, :2, 1:3]
    return y


def few_modes(m: Any, x: torch.Tensor) -> torch.Tensor:
    """A layer of Fourier neural operators (arXiv 2010.08895): complex matrices for a few frequencies, at both ends."""
    found = torch.fft.rfft2(m.a(x).reshape(-1, 2, 4, 5))
    kept = torch.zeros(len(x), 2, 4, 3, dtype=torch.cfloat)
    for number, rows in enumerate((slice(2), slice(-2, None))):
        by = torch.polar(torch.linspace(0.2, 1, 16), torch.arange(16.0) + number).reshape(2, 2, 2, 2)
        kept[:, :, rows, :2] = torch.einsum("bixy,ioxy->boxy", found[:, :, rows, :2], by)
    return torch.fft.irfft2(kept, s=(4, 5)).reshape(-1, 5, 8)


def beside(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Blocks of tokens beside those before and after them, of which there are none here (LongT5)."""
    y = F.pad(m.a(x), (0, 0, 5, 5))
    return torch.cat([y[:, :5], y[:, 5:10], y[:, 10:]], -1)[..., 4:12] + x


FORMS: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "magnitude": lambda m, x: m.a(x).abs(),
    "times an inverse": lambda m, x: x * torch.reciprocal(torch.relu(m.a(x)) + 0.5),
    "inverse": lambda m, x: 1 / (torch.relu(m.a(x)) + 0.5),
    "root of a softmax": lambda m, x: m.a(x).softmax(-1).sqrt(),
    "cube": lambda m, x: m.a(x) ** 3,
    "arctangent": lambda m, x: torch.atan(m.a(x)),
    "a function that rests below zero": lambda m, x: F.logsigmoid(m.a(x)),
    "a clamp that is never zero": lambda m, x: m.a(x).clamp(0.5, 2),
    "smallest": lambda m, x: m.a(x).amin(1, keepdim=True),
    "instance norm": lambda m, x: F.instance_norm(m.a(x)),
    "softmax of what attention gives": lambda m, x: F.scaled_dot_product_attention(m.a(x), x, m.a(x)).softmax(1),
    "clamped norm": lambda m, x: (y := m.a(x)) * y.norm(dim=-1, keepdim=True).clamp(0.5, 2),
    "leaky ReLU as a choice": lambda m, x: torch.where((y := m.a(x)) > 0, y, 0.2 * y),
    "ReLU as a fill": lambda m, x: (y := m.a(x)).masked_fill(y < 0, 0.0),
    "dead zone": lambda m, x: F.hardshrink(m.a(x), 0.3),
    "threshold": lambda m, x: F.threshold(m.a(x), 0.2, -0.1),
    "slopes by channel": lambda m, x: F.prelu(m.a(x).mT, torch.linspace(-0.4, 0.5, 8)).mT,
    "choice of two values": lambda m, x: torch.where(m.a(x) + 0.5 > 0, x, x.abs()),
    "condition as a number": lambda m, x: x * (m.a(x) >= 0.1).float(),
    "two conditions": lambda m, x: ((y := m.a(x)) > -0.5).logical_and(y < x + 1) * torch.relu(x),
    "logarithm of a softmax": lambda m, x: m.a(x).log_softmax(-1),
    "logarithm of a sum of exponentials": lambda m, x: x + m.a(x).logsumexp((1, 2), keepdim=True),
    "logarithm of what is positive": lambda m, x: torch.log(torch.relu(m.a(x)) + 0.3) + torch.log1p(m.a(x).exp()),
    "sum of magnitudes": lambda m, x: (y := m.a(x)) / y.norm(p=1, dim=-1, keepdim=True),
    "largest magnitude": lambda m, x: x + torch.linalg.vector_norm(m.a(x), torch.inf, -1, keepdim=True),
    "third power of what was coded": lambda m, x: F.layer_norm(m.a(x), (8,)) ** 3,
    "decays of a state space": decayed,
    "weights by a running maximum": weighted,
    "xIELU": xielu,
    "hyperbolic": lambda m, x: torch.sinh(y := 0.5 * m.a(x)) + torch.cosh(y),
    "exponentials": lambda m, x: torch.expm1(m.a(x)) + torch.exp2(x),
    "sine and cosine": lambda m, x: torch.sin(2 * m.a(x)) + torch.cos(x),
    "snake": lambda m, x: (y := m.a(x)) + torch.sin(0.8 * y) ** 2 / 0.8,
    "angle": lambda m, x: torch.acos((y := m.a(x)) / y.norm(dim=-1, keepdim=True)),
    "complement of the error function": lambda m, x: torch.erfc(m.a(x)),
    "a clamp below zero": lambda m, x: m.a(x).clamp(-2, -0.25),
    "changed in place": changed,
    "three axes": lambda m, x: F.conv3d(
        m.a(x).reshape(-1, 2, 5, 2, 2), torch.linspace(-1, 1, 108).reshape(2, 2, 3, 3, 3), padding=1
    ).reshape(-1, 5, 8),
    "bias of turned logits": lambda m, x: (
        ((m.a(x) @ x.mT).mT + torch.linspace(-1, 1, 25).reshape(5, 5)).softmax(-1) @ x
    ),
    "bias of repeated logits": lambda m, x: (
        ((m.a(x) @ x.mT)[:, [0, 0, 1, 2, 3]] + torch.linspace(-1, 1, 25).reshape(5, 5)).softmax(-1) @ x
    ),
    "blocks beside blocks": beside,
    "several images": lambda m, x: F.group_norm(m.a(x).reshape(-1, 4, 2), 2).reshape(-1, 5, 8),
    "logarithm of a masked sum": lambda m, x: (
        x
        + m.a(x)[..., :5]
        .masked_fill(~torch.ones(5, 5, dtype=torch.bool).tril(), -torch.inf)
        .logsumexp(-1, keepdim=True)
    ),
    "maxima of unequal windows": lambda m, x: F.adaptive_max_pool1d(m.a(x), 3).repeat(1, 1, 3)[..., :8],
    "half precision on the way": lambda m, x: F.gelu(m.a(x).half()).float(),
    "distances": lambda m, x: F.pad(torch.cdist(m.a(x), x), (0, 3)),
    "bilinear": lambda m, x: F.bilinear(m.a(x), x, torch.linspace(-1, 1, 8**3).reshape(8, 8, 8)),
    "random slopes": lambda m, x: F.rrelu(m.a(x)),
    "powers": lambda m, x: torch.relu(m.a(x)) ** 1.5 + (torch.relu(x) + 0.5) ** -0.3,
    "ninth power": lambda m, x: torch.sigmoid(m.a(x)) ** 9,
    "a constant to the power of a value": lambda m, x: 1.5 ** m.a(x),
    "inverse root of a value": lambda m, x: x * torch.rsqrt(torch.relu(m.a(x)) + 0.5),
    "local response": lambda m, x: F.local_response_norm(m.a(x).mT, 3, alpha=0.5).mT,
    "mixed by a Fourier transform": lambda m, x: torch.fft.fftn(m.a(x), dim=(1, 2)).real,
    "filtered frequencies": lambda m, x: torch.fft.irfft2(
        torch.fft.rfft2(m.a(x), norm="ortho") * torch.polar(torch.ones(5, 5), torch.arange(25.0).reshape(5, 5)),
        s=(5, 8),
        norm="ortho",
    ),
    "few frequencies": lambda m, x: torch.fft.irfft(torch.fft.rfft(m.a(x), dim=1)[:, :2].mT * 1j, n=5).mT,
    "matrices of few frequencies": few_modes,
    "magnitudes of a spectrum": lambda m, x: F.pad(torch.fft.rfft(m.a(x)).abs(), (0, 3)),
    "sums of spectra": lambda m, x: torch.fft.irfft(
        torch.cat([-torch.fft.rfft(m.a(x))[..., :2], (torch.fft.rfft(x).conj() + 1j)[..., 2:] - 0.5], -1)
    ),
    "a product of spectra": lambda m, x: torch.fft.irfft(
        torch.fft.rfft(m.a(x)) * torch.fft.rfft(x).conj(), norm="ortho"
    ),
    "short-time spectra": lambda m, x: (
        torch.stft(m.a(x).flatten(1), 14, 7, window=torch.hann_window(14), center=False, return_complex=True)
        .abs()[..., :4]
        .repeat(1, 1, 2)[:, :5]
    ),
    "real and imaginary parts": lambda m, x: (torch.complex(m.a(x), x) / (1 + 1j) + m.a(x) * 1j - x).abs(),
    "spectra in another order": lambda m, x: (
        (
            torch.fft.fftshift(torch.fft.fft(m.a(x), dim=1), dim=1).flip(2)
            @ torch.polar(torch.ones(8, 8), torch.eye(8))
        ).imag
    ),
    "there and back": lambda m, x: torch.fft.ifft(torch.fft.fft(m.a(x), dim=1)[..., 0:8].transpose(1, 2)).mT.real,
    "value and its norm": lambda m, x: (y := m.a(x)) + y.norm(dim=-1, keepdim=True),
}
JUMPS = {"dead zone", "threshold", "choice of two values", "condition as a number", "two conditions"}
"""Forms that jump: an input that is coded as a number on the other side of the jump is off by all of it."""


@pytest.mark.parametrize("form", FORMS)
def test_a_written_form_in_integers(form: str) -> None:
    """Two spikes a value, on samples that calibration has not seen, and stepped on one far beyond it, too."""
    model = module(lambda m, x: m.b(FORMS[form](m, x)), a=nn.Linear(8, 8), b=nn.Linear(8, 4))
    calibration, x = (
        np.random.default_rng(seed).normal(size=(n, 5, 8)).astype(np.float32) for seed, n in ((0, 64), (1, 16))
    )
    network = convert_module(model, [calibration], 40, 1.15, spikes=2, input_spikes=2).network
    expected = model(torch.from_numpy(x)).detach().numpy()
    runner = ClosedForm(network)
    found = runner.real(runner.run(x)).numpy().reshape(expected.shape)
    error, size = np.abs(found - expected), np.sqrt(np.mean(expected**2))
    found_error = np.quantile(error, 0.75) if form in JUMPS else np.sqrt(np.mean(error**2))
    assert found_error < WRITTEN_FORMS * size
    assert compare(network, np.concatenate([x[:2], 30 * x[2:3]])) > 100
