"""In ASCII every sheet has the same places, and nothing that a plain terminal cannot show."""

import io
import sys

import pytest
from rich.cells import cell_len
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from controller.monitor.plain_characters import VARIABLE, PlainCharacters, wanted
from tests.controller.monitor.test_sheets import SIZES, in_sheet


def lines(app, _) -> list[str]:
    """As they are sent to the terminal."""
    compositor = app.screen._compositor
    strips = compositor.render_strips(app.size)
    filtered = [strip.apply_filter(f, Color(0, 0, 0)) for strip in strips for f in app.get_line_filters()[-1:]]
    return [strip.text for strip in (filtered or strips)]


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_all_sheets_are_ascii_and_as_wide_as_before(source, monkeypatch, size):
    monkeypatch.setenv(VARIABLE, "1")
    for key in "123456":
        told = in_sheet(source, key, lines, size=size)
        assert "".join(told).isascii(), key
        assert {len(line) for line in told} == {size[0]}, key
    assert any("/" not in line and "|" in line for line in told)


def test_without_it_nothing_is_changed(source, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert not "".join(in_sheet(source, "1", lines)).isascii()


def test_every_character_keeps_its_width_and_pictures_their_shades():
    plain = PlainCharacters(True)
    words = "D 5 °C ─╌│╭ ⣿⠀⠁ ✓ ▶ 金 ●◆▲■"
    (seen,) = plain.apply([Segment(words)], Color(0, 0, 0))
    assert seen.text.isascii()
    assert cell_len(seen.text) == cell_len(words)
    assert "* ." in seen.text
    assert seen.text.endswith("o*^#")
    shades = []
    for level in (0, 80, 160, 255):
        style = Style(color=RichColor.from_rgb(level, level, level))
        (seen,) = plain.apply([Segment("▀", style)], Color(0, 0, 0))
        shades.append(" .:-=+*#%@".index(seen.text))
    assert shades == sorted(set(shades))


@pytest.mark.parametrize(
    ("encoding", "asked"), [("ascii", True), ("latin-1", True), ("utf-8", False), ("UTF-8", False)]
)
def test_a_terminal_that_can_do_no_more_has_it_unasked(monkeypatch, encoding, asked):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding))
    assert wanted() == asked
