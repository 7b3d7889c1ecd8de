"""The report of a conversion assembled from measurements, and its page: report.html for people."""

from deploy.report.content import build_report, recorded, versions
from deploy.report.page import Figures, render

__all__ = ["Figures", "build_report", "recorded", "render", "versions"]
