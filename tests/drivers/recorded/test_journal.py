"""The journal when it is cut at any byte, or a byte of it is another."""

from pathlib import Path

import pytest

from drivers.clock import WallClock
from drivers.errors import ConfigError
from drivers.recorded.journal import Journal, read_journal
from drivers.recorded.records import FrameRecorded, StepDone

RECORDS = [FrameRecorded(seq=n, step=f"c{n:02d}/NC2/tilt", tilt_deg=-70.0 + 1.5 * n) for n in range(48)]


@pytest.fixture
def written(tmp_path) -> bytes:
    journal = Journal(tmp_path / "journal.jsonl", WallClock())
    for record in RECORDS:
        journal.write(record)
    journal.close()
    return (tmp_path / "journal.jsonl").read_bytes()


def found(folder: Path, data: bytes) -> list[object]:
    (folder / "journal.jsonl").write_bytes(data)
    return [entry.record for entry in read_journal(folder, whole=True)]


def test_cut_at_any_byte_of_its_last_4_kib_it_goes_on_from_the_last_whole_record(tmp_path, written):
    assert len(written) > 4096
    for cut in range(len(written) - 4096, len(written) + 1):
        data = written[:cut]
        whole = found(tmp_path, data)
        assert whole == RECORDS[: len(whole)]
        assert data.count(b"\n") <= len(whole) <= data.count(b"\n") + 1
        if cut % 5 and cut < len(written) - 400:
            continue
        journal = Journal(tmp_path / "journal.jsonl", WallClock())
        journal.write(StepDone(step="next"))
        journal.close()
        entries = list(read_journal(tmp_path, whole=True))
        assert [e.record for e in entries] == [*whole, StepDone(step="next")]
        assert [e.n for e in entries] == list(range(len(whole) + 1))


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_another_byte_anywhere_is_refused_or_costs_the_last_record_alone(tmp_path, written, flip):
    written, refused = b"".join(written.splitlines(keepends=True)[:8]), 0
    for place in range(len(written)):
        data = bytearray(written)
        data[place] ^= flip
        try:
            whole = found(tmp_path, bytes(data))
        except ConfigError:
            refused += 1
        else:
            assert whole in (RECORDS[:8], RECORDS[:7])
            assert place >= len(written) - len(written.splitlines()[-1]) - 1
    assert refused > 0.9 * len(written)
