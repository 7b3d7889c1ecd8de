"""Warning about classes without a calibration sample, whose values may exceed the calibrated scales."""

from __future__ import annotations

from deploy.sources.loaded import LoadedModel
from deploy.sources.samples import Data

LISTED = 5


def unseen_line(calibration: Data, evaluation: Data, model: LoadedModel) -> list[str]:
    """A line that names the classes without a calibration sample; no line if there are none, or classes are unknown.

    The classes considered are those of the evaluation data, and all of the model's if there are at least as many
    calibration samples as classes.
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
    """Class numbers of the calibration samples; empty if unknown.

    They come from the samples' labels if these were read, else from written labels that the evaluation data's label
    table or class numbers translate.
    """
    if calibration.labels is not None:
        return set(calibration.labels.tolist())
    if calibration.written is None:
        return set()
    numbers = {row.label: row.number for row in evaluation.label_table}
    if not numbers and evaluation.labels is not None:
        numbers = {str(number): number for number in set(evaluation.labels.tolist())}
    return {numbers[label] for label in set(calibration.written.tolist()) if label in numbers}
