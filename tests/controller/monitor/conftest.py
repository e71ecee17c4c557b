"""The screen, drawn more often than on a slow line, so that tests need not wait."""

import pytest

from controller.monitor.app import MonitorApp


@pytest.fixture(autouse=True)
def drawn_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MonitorApp, "refresh_s", 0.1)
