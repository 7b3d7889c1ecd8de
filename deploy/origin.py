"""What a conversion was made of: its model and its data, as given, or loaded again by what its report says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deploy.arrays import GIVEN
from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.output import REPORT
from deploy.schema import read_report
from deploy.sources import Data, LoadedModel, load_data, load_model, with_length
from deploy.steps import calibration_and_evaluation
from processes.network import Network


@dataclass
class Origin:
    """What a conversion was made of: the model and the data, where they are at hand or can be loaded again.

    options: in force. module, data: as given; None to load what the options name when it is first needed.
    """

    options: ConvertOptions
    given: LoadedModel | None = None
    data: Data | None = None

    @cached_property
    def model(self) -> LoadedModel:
        """The original model.

        Raises:
            DeployError: it was given as an object, which no folder keeps, or cannot be loaded.
        """
        if self.given is not None:
            return self.given
        if self.options.model.startswith(GIVEN):
            raise DeployError(
                f"{self.options.model} was given as an object, of which a folder keeps no copy; give it again: "
                "deploy.load(folder, module)"
            )
        return load_model(self.options.model, self.options.weights, self.options.seed)

    @cached_property
    def evaluation(self) -> Data:
        """The data that the conversion was evaluated on.

        Raises:
            DeployError: it was given as arrays, which no folder keeps, or cannot be loaded.
        """
        if self.data is not None:
            return self.data
        if self.options.model.startswith(GIVEN):
            raise DeployError(
                f"{self.options.model} was evaluated on arrays, of which a folder keeps no copy; give some: verify(x=...)"
            )
        again = ConvertOptions(model=self.options.model, calib=self.options.calib, evaluation=self.options.evaluation)
        return calibration_and_evaluation(again, self.model)[1]

    def load(self, data: Path, network: Network) -> Data:
        """Data of a file or folder; texts at the length that ``network`` was converted for."""
        loaded = load_data(data, self.model, "evaluation")
        return loaded if self.model.text is None else with_length(loaded, network.input_shape[1])


def origin_of(folder: Path, given: LoadedModel | None = None) -> Origin:
    """The origin of the conversion in a folder; ``given``: its model, if there is no other way to have it.

    Raises:
        DeployError: the folder holds no conversion, or its report says nothing of options.
    """
    options = read_report(folder).options
    if options is None:
        raise DeployError(f"{folder / REPORT}: says nothing of the options that it was converted with; convert again")
    return Origin(options, given)
