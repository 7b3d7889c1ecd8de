"""Programs that simulators of chips run in Pythons of their own; they import nothing of this package."""
