"""Which targets this machine can use. Imports no target, and no PyTorch."""

from __future__ import annotations

from deploy.errors import DeployError
from deploy.options.checks import check_choice
from deploy.results import TargetStatus
from targets import registry
from targets.base import Target


def targets() -> list[TargetStatus]:
    """Every known target, and what it lacks here."""
    rows: list[TargetStatus] = []
    for target in registry().values():
        state = target.availability()
        missing = None if state.available else f"{state.reason}; {state.remedy}"
        rows.append(TargetStatus(target.name, target.about, missing))
    return rows


def chosen(name: str | None, *, steps: bool = False) -> tuple[Target, str]:
    """The target of a name, or the one that steps networks here for None, and a line that says why if that is not Lava.

    ``steps``: only targets that step converted networks through time will do.

    Raises:
        DeployError: the name is unknown, or the target is not available here.
    """
    known = registry()
    if name is not None:
        check_choice("--target", name, [target.name for target in known.values() if target.steps or not steps])
        return available(known[name]), ""
    lava = known["lava-sim"].availability()
    if lava.available:
        return known["lava-sim"], ""
    return known["stepper"], f"target stepper, as Lava cannot run here: {lava.reason}"


def available(target: Target, *, converted: bool = True) -> Target:
    """The target, if it can run here, and run ``converted`` networks if one is meant.

    Raises:
        DeployError: why it cannot, and what would make it so.
    """
    if converted and target.standard_only:
        raise DeployError(
            f"--target {target.name} runs standard integrate-and-fire networks (`deploy run FILE.nir`); a converted one has "
            "thresholds that fall with time: take lava-sim, or `deploy export OUT --format loihi2` for that chip"
        )
    state = target.availability()
    if not state.available:
        raise DeployError(f"target {target.name} is not available here: {state.reason}; {state.remedy}")
    return target
