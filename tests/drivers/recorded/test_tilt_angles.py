"""Lists of tilts as people have them: each read right, or refused with the reason."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from drivers.errors import ConfigError
from drivers.recorded.tilt_angles import read_angles

TILTS = np.arange(-69.0, 69.1, 3.0)
LINES = [f"{t:.2f}" for t in TILTS]
COUNTED = list(enumerate(LINES))
MDOC = "PixelSpacing = 5.0\nImageFile = a.mrc\n\n[T =     Tilt axis angle = 0.0, binning = 1  spot = 6]\n\n"

READ = {
    "one a line": "\n".join(LINES),
    "decimal commas": "\n".join(LINES).replace(".", ","),
    "decimal commas, semicolons": "Nr;Tilt\n" + "\n".join(f"{n};{t}" for n, t in COUNTED).replace(".", ","),
    "AreTomo: tilt and order": "\n".join(f"{t} {n + 1}" for n, t in COUNTED),
    "tilt, order, dose": "\n".join(f"{t}\t{n + 1}\t3.0" for n, t in COUNTED),
    "headed": "frame,tilt_deg,exposure_s\n" + "\n".join(f"{n},{t},{1 + n % 3}" for n, t in COUNTED),
    "headed, tilt in the middle": "z,Stage Alpha (deg),beta,axis\n"
    + "\n".join(f"{n % 5}.5,{t},{n % 7},90" for n, t in COUNTED),
    "headed, whole numbers": "frame,tilt\n" + "\n".join(f"{n},{t[:-3]}" for n, t in COUNTED),
    "no header": "\n".join(f"{n},{t},1.0" for n, t in COUNTED),
    "comments, empty lines, blanks": "# of today\n\n  " + "\n  \n\t".join(LINES) + "\n\n",
    "mdoc": MDOC
    + "".join(f"[ZValue = {n}]\nTiltAngle = {t}\nMagnification = 115000\n\n" for n, t in reversed(COUNTED)),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("text", READ.values(), ids=READ)
def test_every_list_gives_its_tilts(tmp_path: Path, text, encoding, newline):
    (tmp_path / "a.rawtlt").write_text(text, encoding=encoding, newline=newline)
    np.testing.assert_allclose(read_angles(tmp_path / "a.rawtlt").tilts_deg, TILTS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0\n" * 47, "says 0 deg of all 47 images"),
        ("\n".join(f"{t},{n % 7}.5" for n, t in COUNTED), "which are the tilts cannot be told"),
        ("a;b\n" + "\n".join(f"{n};{n}" for n in range(9)), "which are the tilts cannot be told"),
        ("1,10\n2,20\n3,30", "decimal points or stand between columns"),
        ("-1\n-2\nzero", "line 3"),
        ("-1 4\n-2", "lines of 1 and of 2 numbers"),
        ("10\n190.5", "190.5 deg"),
        ("1\nnan", "not numbers"),
        ("", "holds no tilts"),
        ("[ZValue = 0]\nTiltAngle = 1\n[ZValue = 1]\nMagnification = 3\n", "TiltAngle of each"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, text, words):
    (tmp_path / "a.rawtlt").write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_angles(tmp_path / "a.rawtlt")


def test_a_turn_of_180_deg_is_read(tmp_path: Path):
    (tmp_path / "a.rawtlt").write_text("\n".join(str(t) for t in range(0, 180, 3)))
    np.testing.assert_array_equal(read_angles(tmp_path / "a.rawtlt").tilts_deg, np.arange(0, 180, 3))


def test_an_mdoc_tells_pixel_size_times_and_names(tmp_path: Path):
    sections = [(2, -30.0, "c.tif"), (0, 0.0, "a.tif"), (1, 30.0, "b.tif")]
    text = MDOC + "".join(
        f"[ZValue = {z}]\nTiltAngle = {t}\nSubFramePath = D:\\frames\\{name}\nDateTime = 05-Mar-24  14:0{z}:00\n\n"
        for z, t, name in sections
    )
    (tmp_path / "a.mrc.mdoc").write_text(text)
    found = read_angles(tmp_path / "a.mrc.mdoc")
    assert found.tilts_deg.tolist() == [0.0, 30.0, -30.0]
    assert found.names == ("a.tif", "b.tif", "c.tif")
    assert found.acquired == tuple(datetime(2024, 3, 5, 14, n) for n in range(3))
    assert found.pixel_nm == pytest.approx(0.5)
