"""Classes that calibration never saw, whose values may be larger than any that set the scales."""

from __future__ import annotations

from deploy.sources.loaded import LoadedModel
from deploy.sources.samples import Data

LISTED = 5


def unseen_line(calibration: Data, evaluation: Data, model: LoadedModel) -> list[str]:
    """One line that names classes without a calibration sample; none if there are none, or nothing says what classes are.

    Classes are those that evaluation data have, and all of the model's where calibration has as many samples as these.
    """
    seen = _classes(calibration, evaluation)
    if not seen:
        return []
    wanted = set() if evaluation.labels is None else set(evaluation.labels.tolist())
    if model.classes is not None and model.classes <= len(calibration):
        wanted |= set(range(model.classes))
    missing = sorted(wanted - seen)
    if not missing:
        return []
    names = model.class_names or evaluation.class_names
    listed = [f"{number} {names[number]}" if number < len(names) else str(number) for number in missing[:LISTED]]
    more = f", and {len(missing) - LISTED} more" if len(missing) > LISTED else ""
    kind = "class" if len(missing) == 1 else "classes"
    return [
        f"{calibration.source}: no calibration sample of {len(missing)} {kind} ({', '.join(listed)}{more}): values may exceed "
        "the scales there; add some if accuracy suffers"
    ]


def _classes(calibration: Data, evaluation: Data) -> set[int]:
    """Numbers of the classes of calibration samples: of labels that have been read, where evaluation data are held back from
    the same file, else of those that are written as evaluation data write theirs; empty if nothing tells.
    """
    if calibration.labels is not None:
        return set(calibration.labels.tolist())
    if calibration.written is None:
        return set()
    numbers = {row.label: row.number for row in evaluation.label_table}
    if not numbers and evaluation.labels is not None:
        numbers = {str(number): number for number in set(evaluation.labels.tolist())}
    return {numbers[label] for label in set(calibration.written.tolist()) if label in numbers}
