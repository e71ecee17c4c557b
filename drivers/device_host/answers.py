"""What the host tells of a driver's values, whatever they are made of: objects with attributes, or dictionaries.

Numbers go as JSON, images and photons byte by byte beside it. What a session cannot do without is asked for by name.
"""

from __future__ import annotations

import math
import zlib
from typing import Any, Dict, List, Tuple

import numpy as np

Told = Tuple[Dict[str, Any], List[bytes]]
"""The JSON, and the binary parts that follow it."""


def told_reading(value: Any, now_s: float, *, stamps: bool) -> Told:
    """Of a chip. Times are the driver's where it has this host's clock (`stamps`), else the host's own."""
    told = _asked(value, ("temperature_c", "setpoint_c"), "reading")
    told.update({name: _plain(_of(value, name)) for name in ("resistance_ohm", "power_mw", "temperature_std_c")})
    told.update(time_s=_time_s(value, now_s, stamps), period_s=float(_of(value, "period_s", 0.0)))
    return told, []


def told_stage(value: Any) -> dict[str, Any]:
    return _asked(value, ("x_nm", "y_nm", "z_nm", "tilt_deg"), "stage")


def told_scan(value: Any, now_s: float, *, stamps: bool) -> Told:
    """An image as it is, and photons, with a checksum of both."""
    image = np.ascontiguousarray(_of(value, "image"))
    if image.ndim != 2 or image.dtype.kind not in "uif":
        raise ValueError(f"its scan has no image (y, x) of numbers, but {image.shape} of {image.dtype}")
    told = _asked(value, ("pixel_nm",), "scan")
    told.update(shape=list(image.shape), dtype=image.dtype.str, time_s=_time_s(value, now_s, stamps))
    told["stage"] = told_stage(_of(value, "stage", {}))
    for name in ("electrons_per_nm2", "gain", "offset", "beam_kev", "current_pa"):
        told[name] = _plain(_of(value, name))
    for name in ("defocus_nm", "swept_deg", "rotation_deg"):
        told[name] = float(_of(value, name, 0.0))
    told["image_shift_nm"] = [float(part) for part in _of(value, "image_shift_nm", (0.0, 0.0))]
    told["detector"] = str(_of(value, "detector", "HAADF"))
    x_rays, photons = _of(value, "x_rays"), b""
    if x_rays is not None:
        told["x_rays"] = _asked(x_rays, ("channels", "channel_ev", "offset_ev", "beam_kev"), "spectrum")
        told["x_rays"]["channels"] = int(_of(x_rays, "channels"))
        told["x_rays"]["fwhm_mn_ev"] = float(_of(x_rays, "fwhm_mn_ev", 130.0))
        told["x_rays"]["live_s"] = _plain(_of(x_rays, "live_s"))
        photons = np.ascontiguousarray(_of(x_rays, "photons"), "<u4").tobytes()
    pixels = image.tobytes()
    told["crc32"] = zlib.crc32(photons, zlib.crc32(pixels))
    return told, [pixels, photons]


def _of(value: Any, name: str, default: Any = None) -> Any:
    return value.get(name, default) if isinstance(value, dict) else getattr(value, name, default)


def _asked(value: Any, names: tuple[str, ...], what: str) -> dict[str, Any]:
    missing = [name for name in names if _of(value, name) is None]
    if missing:
        raise ValueError(f"its {what} tells no {', '.join(missing)}")
    return {name: _plain(_of(value, name)) for name in names}


def _plain(value: Any) -> float | None:
    """A number for JSON; None for what is none, NaN among them."""
    return None if value is None or not math.isfinite(value) else float(value)


def _time_s(value: Any, now_s: float, stamps: bool) -> float:
    told = _of(value, "time_s")
    return float(told) if stamps and told is not None else now_s
