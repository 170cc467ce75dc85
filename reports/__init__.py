"""Records in, pages out: merge the record files of a campaign and render one self-contained HTML file.

This package imports neither the engine nor any tensor library; it needs the record files alone, so a report can be
made later, elsewhere, from the files of many machines.
"""

from reports.html import check_target, render, render_merged, write, write_merged
from reports.load import load
from reports.merge import merge
from reports.records import RecordError, ReportError
from reports.summaries import Merged

__all__ = [
    "Merged",
    "RecordError",
    "ReportError",
    "check_target",
    "load",
    "merge",
    "render",
    "render_merged",
    "write",
    "write_merged",
]
