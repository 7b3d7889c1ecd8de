"""Which targets can run on this machine, found out without importing a target or PyTorch."""

from __future__ import annotations

from deploy.errors import DeployError
from deploy.options.checks import check_choice
from deploy.results import TargetStatus
from targets import registry
from targets.base import Target


def targets() -> list[TargetStatus]:
    """Every registered target, with the reason if it cannot run here, and the remedy."""
    rows: list[TargetStatus] = []
    for target in registry().values():
        state = target.availability()
        missing = None if state.available else f"{state.reason}; {state.remedy}"
        rows.append(TargetStatus(target.name, target.about, missing))
    return rows


def chosen(name: str | None, *, steps: bool = False) -> tuple[Target, str]:
    """Look a target up by name; for None take Lava where it can run, else the stepper.

    ``steps``: accept only targets that step converted networks through time.

    Returns:
        The target, and a line that says why Lava was not taken; "" if it was, or if ``name`` is given.

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
    """Return ``target`` if it can run here and, if ``converted``, takes more than standard NIR graphs.

    Raises:
        DeployError: the target cannot; the message says why, and what would make it available.
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
