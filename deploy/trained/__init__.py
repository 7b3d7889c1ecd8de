"""`deploy trained`: a network that was trained as a spiking one, run in floating point, in integers and on Lava.

:func:`deploy.trained.run.run_trained` runs the command; :func:`deploy.trained.report.read_trained` reads its report.
"""
