"""Programs that run in the Python environments of chips' simulators; they import nothing of this package."""
