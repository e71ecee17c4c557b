"""Pixels through shared memory: as they were sent, or said to be gone; never anything else."""

import errno
import os
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from drivers.errors import CorruptFrame
from drivers.frame_slab import FrameSlab, SlabPlace, SlabReader
from drivers.frames import Frame, pack, unpack
from tests.drivers.test_frames import frame

SIZE = 1 << 20


@pytest.fixture
def slab():
    made = FrameSlab(SIZE)
    yield made
    made.close()


def pixels(n: int, length: int) -> memoryview:
    return np.random.default_rng(n).integers(0, 256, length, np.uint8).data


def test_a_frame_that_is_taken_is_the_one_that_was_sent_and_one_too_late_is_gone(slab):
    """Frames of all sizes, some taken at once, some late: over many turns of the ring."""
    rng, reader = np.random.default_rng(7), SlabReader()
    waiting: list[tuple[int, int, SlabPlace]] = []
    taken = gone = 0
    for n in range(600):
        length = int(rng.integers(1 << 16, SIZE // 4))
        place = slab.put(pixels(n, length))
        assert place is not None
        waiting.append((n, length, place))
        while waiting and rng.random() < 0.45:
            sent, length, place = waiting.pop(int(rng.integers(len(waiting))))
            try:
                found = reader.take(place)
            except CorruptFrame:
                gone += 1
                continue
            taken += 1
            assert found.tobytes() == bytes(pixels(sent, length)), sent
    assert taken > 20
    assert gone > 20


def test_the_last_of_a_ring_that_nobody_read_are_there_and_those_before_are_not(slab):
    places = [slab.put(pixels(n, SIZE // 8)) for n in range(20)]
    reader = SlabReader()
    for n, place in enumerate(places):
        if n < 12:
            with pytest.raises(CorruptFrame):
                reader.take(place)
        else:
            assert reader.take(place).tobytes() == bytes(pixels(n, SIZE // 8))


def test_who_keeps_up_has_all_frames_in_the_same_pages(slab):
    reader = SlabReader()
    for n in range(50):
        place = slab.put(pixels(n, 1 << 17))
        assert place.at % SIZE < SIZE // 4 + (1 << 17)
        assert slab.unread > 0
        reader.take(place)
        assert slab.unread == 0


def test_a_second_reader_may_be_a_little_late(slab):
    prompt, late = SlabReader(), SlabReader()
    before: list[tuple[int, SlabPlace]] = []
    for n in range(50):
        place = slab.put(pixels(n, 1 << 16))
        prompt.take(place)
        before.append((n, place))
        if len(before) > 2:
            sent, place = before.pop(0)
            assert late.take(place).tobytes() == bytes(pixels(sent, 1 << 16)), sent


def test_where_the_system_gives_no_memory_there_is_no_slab(monkeypatch):
    def none_left(*_: object) -> int:
        raise OSError(errno.ENOMEM, "no memory")

    monkeypatch.setattr(os, "ftruncate", none_left)
    assert FrameSlab.where_possible() is None  # and its file is closed, or this test fails
    monkeypatch.setattr(os, "memfd_create", none_left)
    assert FrameSlab.where_possible() is None


@pytest.mark.parametrize("length", [100, SIZE // 4 + 1])
def test_small_and_very_large_pixels_stay_in_the_message(slab, length):
    assert slab.put(pixels(0, length)) is None


def large(seed: int) -> Frame:
    small = frame(np.random.default_rng(seed))
    return Frame(small.header, np.random.default_rng(seed).integers(0, 5000, (300, 310)).astype(np.uint16))


def test_a_frame_in_shared_memory_is_one_place_on_the_wire(slab):
    sent = large(1)
    parts = pack(sent, slab)
    assert sum(len(part) for part in parts) < 1000
    arrived = unpack(parts, SlabReader())
    assert arrived.header == sent.header
    np.testing.assert_array_equal(arrived.image, sent.image)
    slab.put(pixels(0, 1 << 17))
    np.testing.assert_array_equal(arrived.image, sent.image)  # its memory is its own
    with pytest.raises(CorruptFrame, match="another process"):
        unpack(parts)


def test_pixels_that_were_altered_in_shared_memory_are_noticed(slab):
    parts = pack(large(2), slab)
    slab._ring[1000] ^= 1
    with pytest.raises(CorruptFrame, match="checksum"):
        unpack(parts, SlabReader())


_READER = """
import sys
from drivers.errors import CorruptFrame
from drivers.frame_slab import SlabReader
from drivers.frames import unpack
reader = SlabReader()
while size := sys.stdin.buffer.readline():
    try:
        print(int(unpack([sys.stdin.buffer.read(int(size)), b"", b""], reader).image.sum()), flush=True)
    except CorruptFrame as lost:
        print(lost, flush=True)
"""


def test_another_process_reads_it_as_long_as_it_is_open():
    slab = FrameSlab(SIZE)
    with subprocess.Popen(
        [sys.executable, "-c", _READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=False
    ) as reader:

        def read(parts) -> str:
            reader.stdin.write(b"%d\n" % len(parts[0]) + bytes(parts[0]))
            reader.stdin.flush()
            return reader.stdout.readline().decode().strip()

        for seed in range(3):
            assert read(pack(large(seed), slab)) == str(int(large(seed).image.sum()))
        another = FrameSlab(SIZE)
        late = pack(large(4), another)
        another.close()
        assert "cannot be opened" in read(late)
        reader.stdin.close()
    slab.close()


def test_no_other_file_is_opened_whatever_is_told(tmp_path, slab):
    path = tmp_path / "file"
    path.write_bytes(bytes(1 << 20))
    with path.open("rb") as file:
        for told in (str(path), f"/proc/{os.getpid()}/fd/{file.fileno()}", "", "/proc/self/mem"):
            with pytest.raises(CorruptFrame):
                SlabReader().take(SlabPlace(told, 0, 100))
    place = slab.put(pixels(0, 1 << 16))
    for changed in ({"at": -1}, {"length": -1}, {"length": SIZE}, {"at": SIZE - 10}, {"at": 1 << 70}):
        with pytest.raises(CorruptFrame):
            SlabReader().take(msgspec.structs.replace(place, **changed))
    assert path.read_bytes() == bytes(1 << 20)
