"""An analysis that takes what a session's sockets give it, and starts no process."""

from collections.abc import Callable

from analysis.live.settings import AnalysisSettings
from analysis.results import AnyResult
from analysis.tomography.projector import Volume
from controller.stream.shares import Shares


class Taken:
    """As `controller.stream.shares.AnalysisOfSession` wants it."""

    def __init__(self, result: Callable[[AnyResult], None] = lambda _: None, token: str = "") -> None:
        self.settings, self.token = AnalysisSettings(), token
        self.said: list[str] = []
        self.shares = Shares(self.said.append)
        self.volumes: dict[str, tuple[Volume, float]] = {}
        self.is_complete = False
        self._result = result

    def take(self, result: AnyResult, after: int = 0) -> None:
        self._result(result)

    async def take_volume(self, step: str, volume: Volume, voxel_nm: float) -> None:
        if step.startswith("unknown"):
            raise ValueError(f"{step!r} is no step that was recorded")
        self.volumes[step] = volume, voxel_nm
