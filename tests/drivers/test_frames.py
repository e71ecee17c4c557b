import numpy as np
import pytest

from drivers.errors import CorruptFrame
from drivers.frames import Frame, FrameHeader, HeatPulse, SeriesEnd, pack, unpack


def frame(rng: np.random.Generator, dtype: str = "u2") -> Frame:
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
    )
    return Frame(header, rng.integers(0, 5000, (5, 7)).astype(dtype))


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4", "f8"])
def test_a_frame_survives_the_wire_unchanged(rng, dtype):
    sent = frame(rng, dtype)
    arrived = unpack(pack(sent))
    assert isinstance(arrived, Frame)
    assert arrived.header == sent.header
    assert arrived.image.dtype == sent.image.dtype
    np.testing.assert_array_equal(arrived.image, sent.image)


def test_a_mark_survives_the_wire():
    end = SeriesEnd(seq=3, step="c00/A/tilt", particle="A", frames=70, planned=71)
    assert unpack(pack(end)) == end


def test_every_single_flipped_bit_in_the_pixels_is_noticed(rng):
    header, pixels = pack(frame(rng))
    for position in range(0, len(pixels) * 8, 37):
        altered = bytearray(pixels)
        altered[position // 8] ^= 1 << position % 8
        with pytest.raises(CorruptFrame):
            unpack([header, bytes(altered)])


def test_cut_or_foreign_messages_are_refused_not_crashed_on(rng):
    header, pixels = pack(frame(rng))
    for parts in ([], [header], [header, pixels[:-1]], [header[:-3], pixels], [b"\x00" * 50, pixels], [b"", b""]):
        with pytest.raises(CorruptFrame):
            unpack(parts)
