"""Measured figures, as ratios within one run wherever a ratio says it; `make bench` prints them all."""
