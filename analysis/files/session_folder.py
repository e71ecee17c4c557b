"""A session's folder as data."""

from __future__ import annotations

from analysis.files.reader import FOLDER, Reader
from drivers.recorded.session import read_session

READER = Reader("session folder", (FOLDER,), read_session)
