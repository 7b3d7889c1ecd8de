"""The report of a conversion, assembled from measurements, and its page report.html."""

from deploy.report.content import build_report, recorded, versions
from deploy.report.figures import Figures, read_figures, write_figures
from deploy.report.page import render

__all__ = ["Figures", "build_report", "read_figures", "recorded", "render", "versions", "write_figures"]
