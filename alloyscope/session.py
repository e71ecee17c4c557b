"""A recorded session folder: its frames and results, read when they are asked for."""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from alloyscope import inputs
from alloyscope.card import card

if TYPE_CHECKING:
    import h5py

    from analysis.results import AnyResult
    from drivers.frames import FrameHeader
    from drivers.recorded.step_layout import StepDatasets


def _opened(path: Path) -> h5py.File:
    import h5py
    import hdf5plugin  # noqa: F401  # registers the compression filter

    return h5py.File(path, "r")


def _datasets(file: h5py.File) -> StepDatasets:
    from drivers.recorded.step_layout import StepDatasets

    return StepDatasets.of(file)


@dataclass(frozen=True)
class _FramesOnDisk:
    """The images of a step, each read when it is indexed; no file stays open."""

    parts: tuple[tuple[Path, int], ...]
    """Files, and how many whole frames each holds: more than one where the step was cut and went on."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        if len(self.parts) > 1:
            return np.asarray(self.whole("images")[index])
        with _opened(self.parts[0][0]) as file:
            return np.asarray(_datasets(file).images[index])

    def whole(self, name: Literal["images", "tilts_deg"]) -> NDArray[Any]:
        """A dataset of all whole frames."""
        found = []
        for path, frames in self.parts:
            with _opened(path) as file:
                found.append(np.asarray(getattr(_datasets(file), name)[:frames]))
        return np.concatenate(found)


class RecordedSession:
    """A session folder, opened by `open_session`."""

    def __init__(self, folder: Path) -> None:
        from drivers.recorded.folder import SessionFolder
        from drivers.recorded.session import begin_of, planned_frames

        self.folder = folder
        self._at = SessionFolder(folder)
        with inputs.told_as_value_error("folder"):
            begin = begin_of(folder)
            self._planned = planned_frames(folder)
        self.title = begin.session
        self.simulated = begin.simulated
        """Whether a physics twin stood in for the microscope."""
        self.particles = begin.particles
        self.imported_from = begin.imported_from
        """Files of other programs that hold what was recorded; empty for a session of Alloyscope."""

    @property
    def steps(self) -> tuple[str, ...]:
        """Steps with frames on disk, such as ``c03/NC2/tilt``, in the order in which they were recorded."""
        return tuple(step for step in self._planned if self._at.step_file(step).is_file())

    def tilts_deg(self, step: str) -> NDArray[np.float64]:
        """(frame,) tilts in degrees as they were read back."""
        return np.asarray(self._on_disk(step).whole("tilts_deg"), np.float64)

    def images(self, step: str) -> NDArray[Any]:
        """(frame, y, x) all images of a step as a numpy array."""
        return self._on_disk(step).whole("images")

    def frames(self, step: str) -> Any:
        """(frame, y, x) as a dask array, a chunk per frame; raises ImportError where dask is missing."""
        try:
            dask_array: Any = import_module("dask.array")
        except ImportError:
            raise ImportError(
                "lazy frames take dask, which is not installed: pip install 'dask[array]', or ask for .images(step)"
            ) from None
        on_disk = self._on_disk(step)
        return dask_array.from_array(on_disk, chunks=(1, *on_disk.shape[1:]), name=False)

    def header(self, step: str) -> FrameHeader:
        """What is known of a step's first frame: pixel size, particle, heat before it, detector."""
        from drivers.recorded.step_file import read_step

        self._on_disk(step)
        return next(iter(read_step(self._at.step_file(step)))).header

    @cached_property
    def results(self) -> list[AnyResult]:
        """Every result that the analysis gave, in order; warns of lines that were cut or are of another version."""
        import msgspec

        from analysis.results import from_line

        if not self._at.results.is_file():
            return []
        found: list[AnyResult] = []
        lines = self._at.results.read_bytes().splitlines()
        for line in lines:
            with suppress(msgspec.MsgspecError):
                found.append(from_line(line))
        if len(found) < len(lines):
            words = f"{len(lines) - len(found)} of {len(lines)} lines of {self._at.results} could not be read"
            warnings.warn(words, stacklevel=2)
        return found

    def table(self) -> Any:
        """The states as a pandas DataFrame, a row each; raises ImportError where pandas is missing."""
        try:
            pandas: Any = import_module("pandas")
        except ImportError:
            raise ImportError("a table takes pandas, which is not installed: pip install pandas") from None
        rows = [row for result in self.results if (row := result.row()) is not None]
        return pandas.DataFrame([{k: None if v == "" else v for k, v in row.items()} for row in rows])

    def __repr__(self) -> str:
        kind = f"{'SIMULATED ' if self.simulated else ''}{'imported ' if self.imported_from else ''}session"
        return f"<{kind} {self.title!r}: {len(self.steps)} steps in {self.folder}>"

    def _repr_html_(self) -> str:
        said = [line for result in self.results for line in result.words()]
        facts: list[tuple[str, object]] = [
            ("folder", self.folder),
            *([("imported from", ", ".join(self.imported_from))] if self.imported_from else []),
            ("particles", ", ".join(self.particles) or "not named"),
            ("steps", f"{len(self.steps)}: {', '.join(self.steps[:6])}{' ...' if len(self.steps) > 6 else ''}"),
            ("results", len(self.results)),
        ]
        return card(self.title, [*facts, *(("", line) for line in said[-6:])], simulated=self.simulated)

    def _on_disk(self, step: str) -> _FramesOnDisk:
        if step not in self.steps:
            raise ValueError(f"step: asked for one of {', '.join(self.steps) or 'none'}, found {step!r}; see .steps")
        parts = []
        for path in self._at.step_files(step):
            try:
                with _opened(path) as file:
                    at = _datasets(file)
                    images, headers = at.images, at.headers
                    # A row that was cut before its header was written is not a frame.
                    parts.append((path, min(images.shape[0], sum(1 for text in headers[:] if text))))
                    shape, dtype = images.shape[1:], images.dtype
            except (OSError, KeyError) as error:
                words = f"step: {path} cannot be read as recorded frames ({error}); restore the file"
                raise ValueError(words) from error
        return _FramesOnDisk(tuple(parts), (sum(frames for _, frames in parts), *shape), dtype)


def open_session(folder: str | PathLike[str]) -> RecordedSession:
    """Open a session folder; frames are read only when they are asked for.

    Parameters
    ----------
    folder : made by ``alloyscope run`` or ``alloyscope dry-run``

    Returns
    -------
    RecordedSession
        ``.steps``, ``.tilts_deg(step)``, ``.images(step)`` (numpy) or ``.frames(step)`` (dask), ``.results``,
        ``.table()`` (pandas), ``.title`` and ``.simulated``.

    Raises
    ------
    ValueError
        For a folder that holds no session.

    Examples
    --------
    >>> import alloyscope as al
    >>> al.open_session("nowhere")
    Traceback (most recent call last):
    ValueError: folder: asked for a session folder, found no folder 'nowhere'; give one made by run or dry-run
    """
    path = inputs.path(folder, "folder")
    if not path.is_dir():
        raise ValueError(
            f"folder: asked for a session folder, found no folder {str(folder)!r}; give one made by run or dry-run"
        )
    return RecordedSession(path)
