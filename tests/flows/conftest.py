"""What tests of whole sessions may use."""

import os

import pytest

from tests.flows.recording import Recorded, recorded_in


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Sessions run before with the same session file, else run now; each test gets a copy of its own."""
    base = tmp_path_factory.getbasetemp()
    return recorded_in((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "recorded")
