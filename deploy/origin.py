"""The model and data of a conversion: as given, or loaded again from what its report says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from deploy.arrays import GIVEN
from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.output import REPORT
from deploy.schema import read_report
from deploy.sources import Data, LoadedModel, load_data, with_length
from deploy.sources.classes import read_labels
from deploy.steps import calibration_and_evaluation, loaded_model
from processes.network import Network


@dataclass(frozen=True)
class Trust:
    """Whose code may run when a folder's model is loaded again.

    files: whether to import a Python file that the folder's report names. model: a model named by the user, loaded in
    place of the one that the report names; or None.
    """

    files: bool = False
    model: str | None = None


NO_TRUST = Trust()


@dataclass
class Origin:
    """The model and the evaluation data of a conversion, loaded when first needed.

    Attributes:
        options: of the conversion.
        given, data: the model and the evaluation data, as given; None to load what ``options`` name.
        trust: whose code may run when the model is loaded.
    """

    options: ConvertOptions
    given: LoadedModel | None = None
    data: Data | None = None
    trust: Trust = NO_TRUST

    @cached_property
    def model(self) -> LoadedModel:
        """The original model.

        Raises:
            DeployError: the model was given as an object, which no folder keeps, or cannot be loaded.
        """
        if self.given is not None:
            return self.given
        if self.options.model.startswith(GIVEN):
            raise DeployError(
                f"{self.options.model} was given as an object, of which a folder keeps no copy; give it again: "
                "deploy.load(folder, module)"
            )
        spec, trusted = self.trust.model or self.options.model, self.trust.files or self.trust.model is not None
        return loaded_model(replace(self.options, model=spec), trusted)

    @cached_property
    def evaluation(self) -> Data:
        """The data that the conversion was evaluated on.

        Raises:
            DeployError: the data was given as arrays, which no folder keeps, or cannot be loaded.
        """
        if self.data is not None:
            return self.data
        if self.options.model.startswith(GIVEN):
            raise DeployError(
                f"{self.options.model} was evaluated on arrays, of which a folder keeps no copy; give some: verify(x=...)"
            )
        again = replace(self.options, limit=None)
        return calibration_and_evaluation(again, self.model)[1]

    def load(self, data: Path, network: Network, labels: Path | None = None) -> Data:
        """Load samples from a file or folder; texts get the length that ``network`` was converted for.

        ``labels``: a --labels file; None for the conversion's own. Raises DeployError if ``data`` does not exist or
        does not fit the model.
        """
        if not data.expanduser().exists():
            raise DeployError(f"{data}: no such file or folder; check the path of the data")
        given = self.options.label_map if labels is None else read_labels(labels)
        loaded = load_data(data, self.model, "evaluation", labels=given)
        return loaded if self.model.text is None else with_length(loaded, network.input_shape[1])


def origin_of(folder: Path, given: LoadedModel | None = None, trust: Trust = NO_TRUST) -> Origin:
    """The origin of the conversion in a folder; ``given``: its model, if that cannot be loaded again by name.

    No code in the folder is run: a Python file that its report names is imported only if ``trust`` allows it, and only
    when the model is needed.

    Raises:
        DeployError: the folder holds no conversion, or its report does not state the options.
    """
    options = read_report(folder).options
    if options is None:
        raise DeployError(f"{folder / REPORT}: says nothing of the options that it was converted with; convert again")
    return Origin(options, given, trust=trust)
