"""Spiking operations: what each computes, exactly, in floating point and in integers.

Importing this package does not import Lava; :mod:`processes.lava` does.
"""
