"""A linear head on frozen features: multinomial logistic regression, fitted by L-BFGS."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

Head = Callable[[np.ndarray], np.ndarray]
"""Features (N, D) -> class scores (N, classes)."""
DECAY = 1e-4  # weight of the squared weights in the loss, for standardised features


def fit_head(features: np.ndarray, labels: np.ndarray) -> Head:
    """Fit a head to features (N, D) with labels (N,), int from 0; features are standardised by their own statistics."""
    x, y = torch.as_tensor(features, dtype=torch.float64), torch.as_tensor(labels)
    mean, deviation = x.mean(0), x.std(0) + 1e-9
    weight = torch.zeros(x.shape[1] + 1, int(y.max()) + 1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight], max_iter=300, line_search_fn="strong_wolfe")

    def scores(z: torch.Tensor) -> torch.Tensor:
        return ((z - mean) / deviation) @ weight[:-1] + weight[-1]

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = torch.nn.functional.cross_entropy(scores(x), y) + DECAY * weight[:-1].square().sum()
        value.backward()
        return value

    optimiser.step(loss)  # type: ignore[arg-type]
    weight.requires_grad_(False)
    return lambda z: scores(torch.as_tensor(z, dtype=torch.float64)).numpy()
