"""This program as one file, to be copied to an instrument's computer."""

from __future__ import annotations

import shutil
import tempfile
import zipapp
from pathlib import Path

_START = "import sys\n\nfrom device_host.__main__ import main\n\nsys.exit(main())\n"


def write_archive(target: Path) -> Path:
    """A .pyz file that any Python from 3.7 on runs; it carries its source."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "device_host"
        package.mkdir()
        for source in sorted(Path(__file__).parent.glob("*.py")):
            shutil.copy(source, package)
        (Path(folder) / "__main__.py").write_text(_START)
        zipapp.create_archive(folder, target)
    return target
