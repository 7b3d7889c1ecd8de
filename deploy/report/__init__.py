"""The report of a conversion: report.json for programs, report.html for people."""

from deploy.report.content import build_report, versions
from deploy.report.page import Figures
from deploy.report.write import add_to_report, plain, write_report

__all__ = ["Figures", "add_to_report", "build_report", "plain", "versions", "write_report"]
