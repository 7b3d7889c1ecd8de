"""Simulators and SDKs with dependencies of their own: each has its own environment and runs as a program.

    python -m targets.tools [NAME ...]      builds the environments (default: all) in .tools, or in $DEPLOY_TOOLS

A simulator that is installed in this package's own environment is used from there. None is ever imported here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from processes.errors import DeployError
from targets.base import Availability

ROOT = Path(__file__).resolve().parents[2]


def tools_folder() -> Path:
    """Folder of the environments: $DEPLOY_TOOLS, or .tools in the repository."""
    return Path(os.environ.get("DEPLOY_TOOLS", ROOT / ".tools"))


@dataclass(frozen=True)
class Tool:
    """A simulator or SDK that runs in a Python of its own.

    Attributes:
        name, module: its name for users, and the module that its programs import.
        requirements: pinned packages for pip, the tool itself first; empty if it is not on the package index.
        python: version of Python that it needs; "" for the version that runs this package.
        remedy: how to install it, if not by ``python -m targets.tools``.
    """

    name: str
    module: str
    requirements: tuple[str, ...]
    python: str = ""
    remedy: str = ""

    def interpreter(self) -> Path | None:
        """The Python that can import the tool: this one, or that of its own environment; None if neither can.

        Nothing is imported or started: the module is looked for as a folder in site-packages.
        """
        for folder in (Path(sys.prefix), tools_folder() / self.name):
            if any(folder.glob(f"lib/python3.*/site-packages/{self.module}")):
                return folder / "bin" / "python"
        return None

    def availability(self) -> Availability:
        """Whether the tool is installed, and if not, how to install it."""
        if self.interpreter() is not None:
            return Availability(True)
        what = self.requirements[0].replace("==", " ") if self.requirements else self.module
        remedy = self.remedy or f"`python -m targets.tools {self.name}` gives it an environment of its own"
        return Availability(False, f"{what} is not installed", remedy)

    def run(self, script: Path, *arguments: Path | str) -> str:
        """Run ``script`` in the tool's Python, without PYTHONPATH, and return what it printed.

        Raises:
            DeployError: the tool is not installed, or the script failed; the message ends in its last line of output.
        """
        python = self.interpreter()
        if python is None:
            state = self.availability()
            raise DeployError(f"target {self.name} is not available here: {state.reason}; {state.remedy}")
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        command = [str(python), str(script), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            raise DeployError(f"{self.name} failed ({done.returncode}): {said[-1] if said else 'it said nothing'}")
        return done.stdout

    def build(self) -> None:
        """Make the tool's environment, unless there is one, and install its requirements with pip.

        Raises:
            DeployError: the Python that it needs is not there.
            subprocess.CalledProcessError: pip failed.
        """
        folder = tools_folder() / self.name
        if not (folder / "bin" / "python").exists():
            self._make(folder)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *self.requirements], check=True)

    def _make(self, folder: Path) -> None:
        """Make an empty environment by venv of the Python that the tool needs, or by uv; DeployError if both fail."""
        python = f"python{self.python}" if self.python else sys.executable
        ways = [[python, "-m", "venv"], ["uv", "venv", "--quiet", "--seed", "--python", self.python or python]]
        for way in ways:
            try:
                if subprocess.run([*way, str(folder)], capture_output=True, check=False).returncode == 0:
                    return
            except FileNotFoundError:
                continue
        raise DeployError(
            f"{self.name} needs Python {self.python or 'with venv'}, which is not here; install it, or uv"
        )


SANA_FE = Tool("sana-fe", "sanafe", ("sanafe==2.2.9", "numpy==1.26.4"))
BRIAN2_LOIHI = Tool("brian2-loihi", "brian2_loihi", ("brian2-loihi==0.5.2", "brian2==2.5.1", "numpy==1.23.5"))
NENGO_LOIHI = Tool(
    "nengo-loihi", "nengo_loihi", ("nengo-loihi==1.1.0", "nengo==3.2.0", "numpy==1.23.5", "scipy==1.10.1")
)
SINABS = Tool("sinabs", "sinabs", ("sinabs==3.1.3", "nir==1.0.4", "nirtorch==2.0.2", "torch==2.14.1", "numpy==1.26.4"))
SPIKINGJELLY = Tool(
    "spikingjelly", "spikingjelly", ("spikingjelly==2.0.0", "nir==1.0.8", "nirtorch==2.6", "torch==2.14.1"), "3.11"
)
XYLOSIM = Tool("xylo", "xylosim", ("xylosim==0.1.3", "numpy==1.26.4"))
AKIDA = Tool("akida", "akida", ("akida==2.19.3", "numpy==1.26.4"))
BOARD = "install py-spinnaker2 from gitlab.com/spinnaker2; it needs a board, its address in S2_IP"
SPINNAKER2 = Tool("spinnaker2", "spinnaker2", (), remedy=BOARD)
TOOLS = {tool.name: tool for tool in (SANA_FE, BRIAN2_LOIHI, NENGO_LOIHI, SINABS, SPIKINGJELLY, XYLOSIM, AKIDA)}
