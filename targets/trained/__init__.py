"""Captured spiking networks as programs: floating point, integers, Lava, NIR."""
