"""Stacks of projections (tilt, y, x)."""

from __future__ import annotations

from analysis.files.reader import Reader
from drivers.recorded.foreign_images import STACK_ENDINGS
from drivers.recorded.tilt_series_file import read_stack

READER = Reader("tilt series", STACK_ENDINGS, read_stack, rank=1)
