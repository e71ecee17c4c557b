"""The screen in ASCII, for terminals and lines that know nothing else."""

from __future__ import annotations

import os
import sys

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

VARIABLE = "ALLOYSCOPE_ASCII"
"""Of the environment: whatever it holds, the screen is in ASCII."""
_ALIKE = {
    "─━═▔▁": "-",
    "╌┄┈╍┅┉": "~",
    "│┃║┆┊╎▏▕▌▐": "|",
    "┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛╔╗╚╝╶╴╵╷": "+",
    "█▓▉▊": "#",
    "▒▇▆▋": "=",
    "░▅▄▃▂▍▎": ":",
    "●○": "o",
    "◆◇★": "*",
    "■□": "#",
    "▲△": "^",
    "▼": "v",
    "✓": "v",
    "✗×": "x",
    "▶→": ">",
    "◀←": "<",
    "↑": "^",
    "↓": "v",
    "⚠": "!",
    "·•…": ".",
    "±": "+",
    "–": "-",
}
_TABLE = {ord(c): plain for characters, plain in _ALIKE.items() for c in characters}
_BRAILLE, _BRAILLE_END = 0x2800, 0x28FF
_DOTS = " ..::+***"
"""By how many of a character's eight dots are there."""
_HALF = "▀"
_SHADES = " .:-=+*#%@"
"""By brightness."""


def wanted() -> bool:
    """Whether a person has asked for it, or standard output can do no more."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return VARIABLE in os.environ or "utf" not in encoding.lower()


class PlainCharacters(LineFilter):
    """Every character becomes one that looks like it, as wide; pictures of half blocks become shades."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [s if s.text.isascii() or s.control else self._plain(s) for s in segments]

    @staticmethod
    def _plain(segment: Segment) -> Segment:
        text, style, control = segment
        if text.strip(_HALF) == "" and style is not None and style.color is not None:
            # Of two pixels only the brightness of the upper one is left.
            r, g, b = style.color.get_truecolor()
            shade = _SHADES[min(len(_SHADES) - 1, int((0.3 * r + 0.59 * g + 0.11 * b) * len(_SHADES) / 256.0))]
            return Segment(shade * len(text), style.without_color, control)
        return Segment("".join(_one(c) for c in text), style, control)


def _one(character: str) -> str:
    code = ord(character)
    if code < 128:
        return character
    if _BRAILLE <= code <= _BRAILLE_END:
        return _DOTS[(code - _BRAILLE).bit_count()]
    return _TABLE.get(code, "?" * cell_len(character))
