"""``python -m targets.tools [NAME ...]``: builds the environments of the named simulators, or of all."""

import sys

from processes.errors import DeployError
from targets.tools import TOOLS, tools_folder

for name in sys.argv[1:] or TOOLS:
    if name not in TOOLS:
        sys.exit(f"error: {name}: unknown tool; known are {', '.join(TOOLS)}")
    print(f"{tools_folder() / name}: {', '.join(TOOLS[name].requirements)}", flush=True)
    try:
        TOOLS[name].build()
    except DeployError as error:
        sys.exit(f"error: {error}")
