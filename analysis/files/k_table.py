"""A laboratory's Cliff-Lorimer factors in one file, for all its maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from analysis.edx.k_factors import Basis
from analysis.files.reader import Reader
from drivers.toml_file import Strict, load_toml


class KTable(Strict):
    """``[k]`` names lines or pairs: ``Fe_Ka = 1.45``, ``"Ag_La/Au_Ma" = [1.44, 0.01]`` with its standard deviation."""

    basis: Basis = "atomic"
    k: dict[str, float | tuple[float, float]] = Field(min_length=1)

    def of(self, lines: Sequence[str]) -> list[str]:
        """Those between these lines, as `k_factors` takes them."""
        words = []
        for name, value in self.k.items():
            k, std = value if isinstance(value, tuple) else (value, 0.0)
            if set(name.split("/")) <= set(lines):
                words.append(f"{name}={k!r}:{std!r}")
        return words


def read_k_table(path: Path) -> KTable:
    """Raises `ConfigError` with every problem of the file."""
    return load_toml(path, KTable)


READER = Reader("k table", (".toml",), read_k_table)
