"""Spiking operations: what each computes, exactly, in floating point and in integers. Imports no Lava."""
