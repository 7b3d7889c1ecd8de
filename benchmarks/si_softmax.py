"""Tabulates the errors of SI-exp and of SIT's spiking softmax by K, their steps: python -m benchmarks.si_softmax."""

from __future__ import annotations

from deploy.measure.si_softmax import softmax_errors

HEADINGS = (
    "K", "SI-exp [-1, 1], published", "with a clock", "relative, [-12, 0]", "softmax, published", "[-1, 1]", "[-10, 10]",
)  # fmt: skip


def main() -> None:
    """Print a Markdown table; errors of SI-exp are root mean squares, of softmax mean squares."""
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    for row in softmax_errors():
        errors = (row.exp_published, row.exp_extended, row.relative, row.published, row.narrow, row.wide)
        print(f"| {row.steps} | {' | '.join('' if error is None else f'{error:.2g}' for error in errors)} |")


if __name__ == "__main__":
    main()
