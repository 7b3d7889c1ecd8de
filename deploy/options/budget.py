"""The limit of --budget on the loss of accuracy, or of the outputs' cosine, by a conversion."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.errors import DeployError

COSINE = "cosine="


@dataclass(frozen=True)
class Budget:
    """A limit on the loss by a conversion.

    Attributes:
        limit: percentage points of accuracy that may be lost or, if ``cosine``, the least mean cosine of the outputs
            with the original's.
        cosine: which of the two ``limit`` is.
    """

    limit: float
    cosine: bool

    @property
    def largest_loss(self) -> float:
        """The largest loss within the budget, in percentage points or as 1 - cosine."""
        return 1 - self.limit if self.cosine else self.limit

    def __str__(self) -> str:
        return f"{COSINE if self.cosine else ''}{self.limit:g}"


def read_budget(given: str | float) -> Budget:
    """Parse --budget, such as ``0.5`` or ``cosine=0.997``.

    Raises:
        DeployError: the value is no number, or lies outside the range of a loss (0 to below 100) or of a cosine (above
            0 to 1).
    """
    text = str(given)
    cosine = text.startswith(COSINE)
    try:
        limit = float(text.removeprefix(COSINE))
    except ValueError as error:
        raise DeployError(
            f"--budget {text}: give the percentage points of accuracy that may be lost, as 0.5, or the least cosine to the "
            f"original's outputs, as {COSINE}0.997"
        ) from error
    if cosine and not 0 < limit <= 1:  # both also refuse NaN
        raise DeployError(f"--budget {text}: a cosine worth having lies above 0 and at most at 1; give {COSINE}0.997")
    if not cosine and not 0 <= limit < 100:
        raise DeployError(f"--budget {text}: points of accuracy that may be lost lie between 0 and 100; give 0.5, say")
    return Budget(limit, cosine)
