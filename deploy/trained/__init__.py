"""`deploy trained`: a network that was trained as a spiking one, run in floating point, in integers and on Lava.

``run.run_trained`` does all of it; ``report.read_trained`` reads what it wrote.
"""
