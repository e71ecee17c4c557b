"""What a heating chip must never exceed, checked twice: before sending and on what is read back."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.errors import LimitExceeded
from drivers.toml_file import Strict


class ChipLimits(Strict):
    """Never exceeded; ``[chip.limits]`` of a session file."""

    max_c: float = Field(800.0, gt=0, le=2000.0)
    """Highest temperature, asked for or read."""
    min_c: float = 15.0
    """Lowest temperature that may be asked for."""
    max_ramp_c_per_s: float = Field(2000.0, gt=0, le=1e7)
    """Fastest ramp that may be asked for."""
    max_power_mw: float = Field(60.0, gt=0)
    """Highest heating power read."""
    away_c: float = Field(25.0, gt=0, le=200.0)
    """A chip that is held may be so far off its set point, for `away_s`; then `when_away` says what becomes of it."""
    away_s: float = Field(1.0, ge=0.1, le=60.0)
    """For so long."""
    when_away: Literal["quench", "ramp down", "hold"] = "quench"
    """Ramping down spares a membrane, and ends the session as well; a chip that is held goes on, with a warning."""
    ramp_down_c_per_s: float = Field(20.0, gt=0, le=1e7)
    """Of ramping down."""
    stale_s: float = Field(3.0, ge=0.5, le=60.0)
    """Without a new reading, while it is not cold."""
    quench_s: float = Field(5.0, ge=0.5, le=120.0)
    """Until a quenched chip must be cold; a membrane takes a tenth of a second."""

    @model_validator(mode="after")
    def _can_come_down(self) -> Self:
        if self.when_away == "ramp down" and self.ramp_down_c_per_s > self.max_ramp_c_per_s:
            raise ValueError(
                f"ramp_down_c_per_s is {self.ramp_down_c_per_s:g}, above max_ramp_c_per_s = {self.max_ramp_c_per_s:g}; "
                "lower it"
            )
        return self

    def check_target(self, device: str, target_c: float, rate_c_per_s: float) -> None:
        """Raise `LimitExceeded` before anything is sent."""
        if not math.isfinite(target_c) or not self.min_c <= target_c <= self.max_c:
            raise LimitExceeded(
                device,
                f"{target_c:g} C was asked, the limits are {self.min_c:g} to {self.max_c:g} C; "
                "lower the plan or change chip.limits",
            )
        if not 0.0 < rate_c_per_s <= self.max_ramp_c_per_s:
            raise LimitExceeded(
                device,
                f"a ramp of {rate_c_per_s:g} C/s was asked, the limit is {self.max_ramp_c_per_s:g} C/s; "
                "slow the ramp or raise chip.limits.max_ramp_c_per_s",
            )
