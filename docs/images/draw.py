"""Draws docs/images/code.svg: a value, the step at which it becomes a spike, and the threshold that it meets there.

python docs/images/draw.py
"""

from __future__ import annotations

from pathlib import Path

from processes.phase_code import PhaseCode

CODE, VALUE = PhaseCode(base=1.15, steps=16), 0.42
LEFT, TOP, WIDTH, HEIGHT = 60, 30, 560, 190  # of the axes, in pixels


def text(x: float, y: float, words: str, anchor: str = "start") -> str:
    """A label at (x, y)."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{words}</text>'


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    """A line between two points, by class of style."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>'


def drawing() -> str:
    """The SVG: steps along x, potentials along y."""
    step, midpoints = WIDTH / CODE.steps, CODE.midpoints
    fires = int((midpoints <= VALUE).argmax())
    bottom, y = TOP + HEIGHT, [TOP + HEIGHT * (1 - m) for m in midpoints]
    level, at = TOP + HEIGHT * (1 - VALUE), LEFT + (fires + 0.5) * step
    stairs = " ".join(f"{LEFT + (k + side) * step:.1f},{y[k]:.1f}" for k in range(CODE.steps) for side in (0, 1))
    decoded = f"decoded: B to the power -{fires} = {CODE.levels[fires]:.3f}"
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 270" width="680" height="270" role="img">',
            "<title>A value becomes the time of a spike</title>",
            "<style>text{font:14px sans-serif;fill:#222}polyline{fill:none;stroke:#1f77b4;stroke-width:2}"
            "line{stroke:#222}.value{stroke:#d62728;stroke-width:2}.spike{stroke:#d62728;stroke-width:4}"
            ".time{stroke-dasharray:4 4;stroke:#888}</style>",
            '<rect width="680" height="270" fill="white"/>',
            line(LEFT, bottom, LEFT + WIDTH, bottom, "axis"),
            line(LEFT, bottom, LEFT, TOP, "axis"),
            f'<polyline points="{stairs}"/>',
            line(LEFT, level, at, level, "value"),
            line(at, level, at, bottom, "time"),
            line(at, bottom, at, bottom - 36, "spike"),
            text(LEFT + 2.2 * step, y[1] - 4, "threshold of step k, falling by the factor B = 1.15"),
            text(LEFT + 6, level + 18, f"value {VALUE:g} (potential)"),
            text(at, bottom + 20, f"one spike, at step {fires}; {decoded}", "middle"),
            text(LEFT + WIDTH / 2, bottom + 42, "time steps of one window", "middle"),
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    Path(__file__).with_name("code.svg").write_text(drawing(), encoding="utf-8")
