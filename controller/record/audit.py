"""The account at a session's end: every frame acquired is recorded and analysed, or it is told which is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from drivers.recorded.folder import SessionFolder
from drivers.recorded.records import Audited
from drivers.recorded.step_file import read_headers

_MOST_NAMED = 10


def audit(
    folder: SessionFolder, acquired: Mapping[int, str], unread: Mapping[int, str], late: Iterable[str]
) -> Audited:
    """Hold what was acquired against what is on disk.

    Parameters
    ----------
    acquired : steps of all frames that came from the instrument, by the numbers they had or were to have
    unread : why frames could not be read back when the analysis asked for them, by their numbers
    late : steps whose analysis has not come to its end
    """
    found = {header.seq for path in sorted(folder.frames.glob("*.h5")) for header in read_headers(path)}
    lost = {seq: f"frame {seq} of {step} is not in its file" for seq, step in acquired.items() if seq not in found}
    left_out = {seq: f"frame {seq} is not analysed: {why}" for seq, why in unread.items() if seq not in lost}
    late = set(late)
    waiting = {seq for seq, step in acquired.items() if step in late and seq not in lost and seq not in left_out}
    unfinished = [f"{step} is not analysed to its end" for step in sorted(late)]
    return Audited(
        acquired=len(acquired),
        recorded=len(acquired) - len(lost),
        analysed=len(acquired) - len(lost) - len(left_out) - len(waiting),
        missing=(*lost.values(), *left_out.values(), *unfinished),
    )


def in_words(account: Audited) -> Sequence[str]:
    """For the log: one line where nothing is missing, else what is."""
    a = account
    if not a.missing:
        return [f"all {a.acquired} frames acquired are recorded and analysed"]
    more = len(a.missing) - _MOST_NAMED
    return [
        f"of {a.acquired} frames acquired {a.recorded} are recorded and {a.analysed} analysed:",
        *a.missing[:_MOST_NAMED],
        *([f"and {more} more, see journal.jsonl"] if more > 0 else []),
    ]
