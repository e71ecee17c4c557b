import numpy as np
import pytest

from drivers.errors import CorruptFrame
from drivers.frames import Frame, FrameHeader, HeatPulse, SeriesEnd, SpectrumHeader, pack, unpack
from drivers.interfaces import photons_of

SPECTRUM = SpectrumHeader(
    channels=16, channel_ev=20.0, offset_ev=-200.0, fwhm_mn_ev=130.0, beam_kev=80.0, frames=9, lines=("Ag_La", "Au_Ma")
)


def frame(rng: np.random.Generator, dtype: str = "u2", *, of_a_map: bool = False) -> Frame:
    header = FrameHeader(
        seq=7,
        session="s",
        step="c01/A/tilt",
        index=2,
        particle="A",
        core="Au",
        shell="Ag",
        time_s=1.5,
        tilt_deg=-68.02,
        pixel_nm=0.8,
        heat=(HeatPulse(450.0, 15.0),),
        spectrum=SPECTRUM if of_a_map else None,
    )
    photons = photons_of(rng.poisson(0.3, (5, 7, 16))) if of_a_map else None
    return Frame(header, rng.integers(0, 5000, (5, 7)).astype(dtype), photons)


@pytest.mark.parametrize("of_a_map", [False, True], ids=["image", "map"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4", "f8"])
def test_a_frame_survives_the_wire_unchanged(rng, dtype, of_a_map):
    sent = frame(rng, dtype, of_a_map=of_a_map)
    arrived = unpack(pack(sent))
    assert isinstance(arrived, Frame)
    assert arrived.header == sent.header
    assert arrived.image.dtype == sent.image.dtype
    np.testing.assert_array_equal(arrived.image, sent.image)
    assert (arrived.photons is None) == (not of_a_map)
    if of_a_map:
        np.testing.assert_array_equal(arrived.photons, sent.photons)


def test_photons_are_the_counts_of_a_dense_map(rng):
    counts = rng.poisson(0.7, (5, 7, 16))
    back = np.bincount(photons_of(counts), minlength=counts.size).reshape(counts.shape)
    np.testing.assert_array_equal(back, counts)


def test_a_mark_survives_the_wire():
    end = SeriesEnd(seq=3, step="c00/A/tilt", particle="A", frames=70, planned=71)
    assert unpack(pack(end)) == end


@pytest.mark.parametrize("part", [1, 2], ids=["pixels", "photons"])
def test_every_single_flipped_bit_is_noticed(rng, part):
    sent = pack(frame(rng, of_a_map=True))
    for position in range(0, len(sent[part]) * 8, 37):
        altered = bytearray(sent[part])
        altered[position // 8] ^= 1 << position % 8
        with pytest.raises(CorruptFrame):
            unpack([*sent[:part], bytes(altered), *sent[part + 1 :]])


def test_cut_or_foreign_messages_are_refused_not_crashed_on(rng):
    header, pixels, photons = pack(frame(rng, of_a_map=True))
    for parts in (
        [],
        [header],
        [header, pixels],
        [header, pixels[:-1], photons],
        [header, pixels, photons[:-1]],
        [header, pixels, photons[:-4]],
        [header[:-3], pixels, photons],
        [b"\x00" * 50, pixels, photons],
        [b"", b"", b""],
    ):
        with pytest.raises(CorruptFrame):
            unpack(parts)


def test_photons_beyond_the_map_are_refused(rng):
    sent = frame(rng, of_a_map=True)
    wrong = Frame(sent.header, sent.image, np.array([5 * 7 * 16], np.uint32))
    with pytest.raises(CorruptFrame, match="beyond"):
        unpack(pack(wrong))
