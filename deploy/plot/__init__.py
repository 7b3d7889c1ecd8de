"""Figures for papers, by matplotlib, of what a conversion's page shows.

    import deploy.plot
    deploy.plot.energy("out/demo").savefig("energy.pdf")
    deploy.plot.save("out/demo", "ladder", "ladder.svg")

Each function takes a folder, a ``Conversion``, or for ``pareto`` the folder of a sweep, and returns a matplotlib ``Figure``,
which can be changed before it is saved.
"""

from deploy.plot.activity import attention, raster, timeline
from deploy.plot.costs import energy, pareto
from deploy.plot.quality import ladder, scatter
from deploy.plot.saved import FIGURES, save

__all__ = ["FIGURES", "attention", "energy", "ladder", "pareto", "raster", "save", "scatter", "timeline"]
