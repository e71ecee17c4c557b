"""Drivers that tests put behind a device host: plain classes, as on an instrument's own computer."""

import signal
import sys
import time
from types import SimpleNamespace

import numpy as np


class PlainChip:
    """Synchronous, without a clock; says into a file what it was asked."""

    abilities = SimpleNamespace(max_c=900.0, period_s=0.3)
    concurrent = ("read", "make_safe")

    def __init__(self, said: str, ramp_s: float = 0.0, compliance: bool = False) -> None:
        self.said, self.ramp_s, self.compliance = said, ramp_s, compliance
        self.setpoint_c = 25.0

    def say(self, words: str) -> None:
        with open(self.said, "a") as file:
            file.write(f"{words} {time.monotonic():.3f}\n")

    def connect(self) -> None:
        self.say("connected")

    def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        if self.compliance:
            raise OSError("the source meter is in compliance")
        self.say(f"ramp to {target_c:g}")
        self.setpoint_c = target_c
        time.sleep(self.ramp_s)

    def quench(self) -> None:
        self.setpoint_c = 25.0

    def read(self) -> dict:
        return {"temperature_c": self.setpoint_c, "setpoint_c": self.setpoint_c, "power_mw": float("nan")}

    def make_safe(self) -> None:
        self.setpoint_c = 25.0
        self.say("safe")

    def close(self) -> None:
        self.say("closed")


class FailsOnce(PlainChip):
    """To be made safe, once."""

    concurrent = ()
    failed = False

    def make_safe(self) -> None:
        if not self.failed:
            self.failed = True
            raise OSError("the bus stumbles")
        super().make_safe()


class BreaksTheHost(PlainChip):
    """By an error in the host's own thread, when it is told to by a signal; and ends threads, or would like to."""

    concurrent = ()

    def __init__(self, **options) -> None:
        super().__init__(**options)
        signal.signal(signal.SIGUSR1, self.break_it)

    def break_it(self, *_) -> None:
        raise MemoryError("nothing is left")

    def quench(self) -> None:
        sys.exit("a vendor's library ends the program")


class BlocksForGood(PlainChip):
    """Once it ramps."""

    concurrent = ()

    def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        time.sleep(300.0)


class PlainMicroscope:
    """Synchronous: a frame blocks it."""

    abilities = SimpleNamespace(interrupts=False, shapes=((64, 64), (128, 128)))
    simulated = True
    stage = (0.0, 0.0, 0.0, 0.0)

    def __init__(self, said: str = "") -> None:
        self.said = said

    def connect(self) -> None:
        pass

    def make_safe(self) -> None:
        with open(self.said, "a") as file:
            file.write(f"safe {time.monotonic():.3f}\n")

    def close(self) -> None:
        pass

    def tilt_range_deg(self) -> tuple:
        return -30.0, 30.0

    def move_to(self, position) -> None:
        self.stage = (position.x_nm, position.y_nm, position.z_nm, position.tilt_deg)

    def read_stage(self) -> dict:
        return dict(zip(("x_nm", "y_nm", "z_nm", "tilt_deg"), self.stage, strict=True))

    def set_beam_blank(self, blanked: bool) -> None:
        pass

    set_defocus = set_beam_blank

    def shift_beam(self, dy_nm: float, dx_nm: float) -> None:
        pass

    shift_image = shift_beam

    def scan(self, settings) -> dict:
        image = np.arange(settings.shape[0] * settings.shape[1], dtype=">u2").reshape(settings.shape)
        return {"image": image, "pixel_nm": settings.pixel_nm, "stage": self.read_stage()}


class ForgetsThePixelSize(PlainMicroscope):
    def scan(self, settings) -> dict:
        return {"image": super().scan(settings)["image"], "stage": self.read_stage()}


def photons_of_frame(frame: int) -> np.ndarray:
    return np.random.default_rng(frame).integers(0, 32 * 32 * 1024, 500).astype(np.uint32)


class PlainEdx:
    """A generator as plain ones are, which is given the microscope that it sits on."""

    def __init__(self, name, context, said: str) -> None:
        self.microscope, self.said = context.microscope, said

    def connect(self) -> None:
        pass

    make_safe = close = connect

    def map_frames(self, settings):
        try:
            for frame in range(settings.frames):
                with open(self.said, "a") as file:
                    file.write(f"frame {frame}\n")
                spectrum = {"channels": 1024, "channel_ev": 10.0, "offset_ev": -5.0, "beam_kev": 200.0, "live_s": 0.5}
                yield {
                    **self.microscope.scan(settings.scan),
                    "x_rays": {**spectrum, "photons": photons_of_frame(frame)},
                }
        finally:
            with open(self.said, "a") as file:
                file.write("over 0\n")
