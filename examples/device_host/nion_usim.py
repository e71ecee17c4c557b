"""Nion's simulated STEM behind the device host. nionswift-usim is GPLv3: it runs in an environment of its own.

    python -m venv nion && nion/bin/pip install nionswift-usim pyzmq
    alloyscope device-host --copy device_host.pyz
    nion/bin/python device_host.pyz nion_usim.py:NionUsim

and in the session file the microscope's backend ``remote`` with the address, ``tilt_range_deg = [0, 0]`` and
``abilities = { sweeps = false, interrupts = false, blanks = false, defocuses = false }`` as options. A plain class, as
drivers for a device host may be; a real instrument in Nion Swift has the same scan device and controls.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

_NM = 1e-9


class NionUsim:
    """HAADF of a flat sample on a stage that does not tilt.

    Its blanker and defocus can be set and read back, but its images do not show them.

    Parameters
    ----------
    sample_index : of the simulator's samples: 0 is amorphous patches, 1 a lattice
    """

    simulated = True
    abilities = SimpleNamespace(sweeps=False, interrupts=False, blanks=False, defocuses=False)

    def __init__(self, sample_index: int = 0) -> None:
        self._sample_index = sample_index
        self._shift_nm = (0.0, 0.0)

    def connect(self) -> None:
        from nion.usim_device import DeviceConfiguration

        made = DeviceConfiguration.AcquisitionContextConfiguration(
            sample_index=self._sample_index, set_configuration_location=False
        )
        self._instrument, self._scanner = made.instrument, made.scan_module.device

    def make_safe(self) -> None:
        self._scanner.cancel()
        self.set_beam_blank(True)

    def close(self) -> None:
        self.make_safe()

    def tilt_range_deg(self) -> tuple[float, float]:
        return 0.0, 0.0

    def move_to(self, position) -> None:
        from nion.utils import Geometry

        if position.tilt_deg or position.z_nm:
            raise ValueError(
                f"asked for {position.tilt_deg:g} deg, z {position.z_nm:g} nm: this stage moves in x and y only"
            )
        self._instrument.set_value_2d("stage_position_m", Geometry.FloatPoint(position.y_nm * _NM, position.x_nm * _NM))

    def read_stage(self) -> dict[str, float]:
        at_m = self._instrument.get_value_2d("stage_position_m")
        return {"x_nm": at_m.x / _NM, "y_nm": at_m.y / _NM, "z_nm": 0.0, "tilt_deg": 0.0}

    def set_beam_blank(self, blanked: bool) -> None:
        self._instrument.set_value("C_Blank", float(blanked))

    def set_defocus(self, defocus_nm: float) -> None:
        self._instrument.set_value("C10", defocus_nm * _NM)

    def shift_beam(self, dy_nm: float, dx_nm: float) -> None:
        from nion.utils import Geometry

        self._instrument.set_value_2d("CSH", Geometry.FloatPoint(dy_nm * _NM, dx_nm * _NM))

    def shift_image(self, dy_nm: float, dx_nm: float) -> None:
        """The field's centre moves the other way."""
        self._shift_nm = (dy_nm, dx_nm)

    def scan(self, settings) -> dict[str, object]:
        from nion.device_kit.ScanDevice import ScanFrameParameters

        rows, columns = settings.shape
        if rows != columns:
            raise ValueError(f"asked for {rows}x{columns} pixels: a field of this scan device is square")
        parameters = ScanFrameParameters()
        parameters.pixel_size = (rows, columns)
        parameters.fov_nm = settings.pixel_nm * rows
        parameters.pixel_time_us = settings.dwell_s * 1e6
        parameters.center_nm = (-self._shift_nm[0], -self._shift_nm[1])
        self._scanner.set_frame_parameters(parameters)
        frame, skip, complete = self._scanner.start_frame(False), 0, False
        while not complete:
            channels, complete, _, _, frame, skip = self._scanner.read_partial(frame, skip)
        return {
            "image": np.array(channels[0]["data"]),
            "pixel_nm": settings.pixel_nm,
            "stage": self.read_stage(),
            "image_shift_nm": self._shift_nm,
            "beam_kev": self._instrument.get_value("EHT") / 1e3,
            "current_pa": self._instrument.get_value("BeamCurrent") / 1e-12,
        }
