"""What another program has recorded, as frames such as a session of ours has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from analysis.edx.spectrum_image import SpectrumImage
from controller.plan.session_file import EdxSection
from drivers.errors import ConfigError
from drivers.frames import Frame, FrameHeader, SpectrumHeader
from drivers.interfaces import photons_of
from drivers.recorded.tilt_series_file import ForeignSeries


def frames_of_series(series: ForeignSeries, header: FrameHeader, began: datetime) -> Iterator[Frame]:
    """Its images in their order.

    Parameters
    ----------
    header : what all of them share; its time is that at which the series `began`
    """
    for index, (image, tilt_deg) in enumerate(zip(series.images, series.tilts_deg, strict=True)):
        at = began if series.acquired is None else series.acquired[index].replace(tzinfo=None)
        time_s = header.time_s + (at - began).total_seconds()
        own = msgspec.structs.replace(header, index=index, time_s=time_s, tilt_deg=float(tilt_deg))
        yield Frame(own, image)


def frame_of_map(image: SpectrumImage, header: FrameHeader, asked: EdxSection) -> Frame:
    """A whole map as one frame, its image the counts of all channels; raises `ConfigError` for one too large."""
    axis = image.axis
    spectrum = SpectrumHeader(
        channels=axis.channels,
        channel_ev=1e3 * axis.channel_kev,
        offset_ev=1e3 * axis.offset_kev,
        fwhm_mn_ev=1e3 * axis.fwhm_mn_kev,
        beam_kev=image.beam_kev,
        frames=1,
        lines=asked.lines,
        k=asked.k,
        k_basis=asked.k_basis,
    )
    try:
        photons = photons_of(image.counts.astype("uint32", copy=False))
    except ValueError as error:
        raise ConfigError(image.title, [str(error)]) from error
    own = msgspec.structs.replace(header, tilt_deg=image.tilt_deg, spectrum=spectrum)
    return Frame(own, image.counts.sum(axis=2, dtype="uint32"), photons)
