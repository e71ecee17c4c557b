"""The package as a whole: what its import costs, and what its names are."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import alloyscope as al

HEAVY = ("numba", "scipy", "sklearn", "skimage", "matplotlib", "h5py", "pandas", "dask", "msgspec", "pydantic")
ROOT = Path(al.__file__).parents[1]


def test_the_import_alone_loads_nothing_heavy():
    words = f"import sys, alloyscope; print([m for m in {HEAVY!r} if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_every_public_name_is_there_and_listed():
    assert set(al.__all__) <= set(dir(al))
    for name in al.__all__:
        assert getattr(al, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'reconstrukt'"):
        _ = al.reconstrukt


def test_no_module_takes_the_place_of_a_public_name():
    for name in al.__all__:
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"alloyscope.{name}")


def test_the_package_is_typed():
    assert (ROOT / "alloyscope" / "py.typed").is_file()


@pytest.mark.parametrize("missing", ["matplotlib.pyplot", "dask.array", "pandas"])
def test_what_is_missing_is_named(missing, monkeypatch, tmp_path, session_folder):
    monkeypatch.setitem(sys.modules, missing, None)
    session = al.open_session(session_folder)
    calls = {
        "matplotlib.pyplot": lambda: al.fit_arrhenius([400, 420], [1e-20, 2e-20], [1e-22, 2e-22]).plot(),
        "dask.array": lambda: session.frames(session.steps[0]),
        "pandas": session.table,
    }
    with pytest.raises(ImportError, match="pip install"):
        calls[missing]()
