"""Where a converted network runs: one interface, one registry."""

from __future__ import annotations

from targets.base import Target


def registry() -> dict[str, Target]:
    """Every known target by name; making them imports none of their simulators or SDKs."""
    from targets.closed_form_target import ClosedFormTarget
    from targets.lava_sim import LavaSim
    from targets.nir_file import NirTarget

    known: list[Target] = [LavaSim(), ClosedFormTarget(), NirTarget()]
    return {target.name: target for target in known}
