"""Draws the figures of a conversion's page for papers, with matplotlib.

    import deploy.plot
    deploy.plot.energy("out/demo").savefig("energy.pdf")
    deploy.plot.save("out/demo", "ladder", "ladder.svg")

Each function takes a folder, a ``Conversion``, or for ``pareto`` the folder of a sweep, and returns a matplotlib
``Figure``, which can be changed before it is saved.
"""

from deploy.plot.activity import attention, raster, timeline
from deploy.plot.costs import energy, pareto
from deploy.plot.quality import ladder, scatter
from deploy.plot.saved import FIGURES, save

__all__ = ["FIGURES", "attention", "energy", "ladder", "pareto", "raster", "save", "scatter", "timeline"]
