"""What panels repaint: nothing that is as it was. Over SSH a screen has a few kB a second for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter

from rich.segment import Segment
from rich.text import Span, Text
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

_CORNERS = 6
"""Columns of a frame that its words leave free: at both ends a corner, a dash and a blank."""


class Words(Static):
    """Words that are repainted when they change, and laid out anew when their lines do."""

    _said: Text | None = None

    def say(self, words: Text) -> None:
        if self._said is None or not same(words, self._said):
            before = "" if self._said is None else self._said.plain
            self._said = words
            # A line that stays one line takes no other room; longer text may wrap elsewhere.
            self.update(words, layout="\n" in before + words.plain or not before)

    def say_in_a_row(self, ways: Sequence[Text]) -> None:
        """The first of several ways to say the same that the row has room for; else the last, cut with a sign."""
        room = self.size.width
        said = ways[0] if not room else next((words for words in ways if words.cell_len <= room), ways[-1])
        if room:
            said.truncate(room, overflow="ellipsis")
        self.say(said)


class DrawnRows(Widget):
    """A picture in characters, made by `drawn` for the room there is; of a new one, rows that differ are repainted."""

    ALLOW_SELECT = False
    _titles: Sequence[str] = ()
    _captions: Sequence[str] = ()
    _rows: tuple[Text, ...] = ()
    _rows_size: Size | None = None

    def drawn(self, width: int, height: int) -> Text:
        """The whole of it, lines parted by line feeds."""
        raise NotImplementedError

    def framed(self, titles: Sequence[str] = (), captions: Sequence[str] = ()) -> None:
        """With the first words above and below that there is room for, now and when the room changes."""
        self._titles, self._captions = titles or self._titles, captions or self._captions
        self.on_resize()

    def on_resize(self) -> None:
        if self._titles:
            entitle(self, _fitting(self, self._titles))
        if self._captions:
            entitle(self, subtitle=_fitting(self, self._captions))

    @property
    def is_drawn(self) -> bool:
        """For the room that there is now."""
        return self._rows_size == self.size

    def draw_anew(self) -> None:
        """What it is made of may have changed."""
        if not self.is_drawn:
            self.refresh()
            return
        rows = self._drawn_rows()
        changed = [y for y, (old, new) in enumerate(zip(self._rows, rows, strict=False)) if not same(old, new)]
        if len(rows) != len(self._rows):
            self._rows = rows
            self.refresh()
        elif changed:
            self._rows = rows
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def render(self) -> Text:
        """All rows as one text."""
        return Text("\n", no_wrap=True).join(self._rows_now())

    def render_line(self, y: int) -> Strip:
        """One row; Textual asks for those that are to be repainted."""
        rows, style = self._rows_now(), self.visual_style.rich_style
        if y >= len(rows):
            return Strip.blank(self.size.width, style)
        row = Text(no_wrap=True).append_text(rows[y])  # rich forgets a style of all where there are no others
        segments = Segment.apply_style(row.render(self.app.console), style)
        return Strip(segments).adjust_cell_length(self.size.width, style)

    def _rows_now(self) -> tuple[Text, ...]:
        if not self.is_drawn:
            self._rows, self._rows_size = self._drawn_rows(), self.size
        return self._rows

    def _drawn_rows(self) -> tuple[Text, ...]:
        return tuple(self.drawn(self.size.width, self.size.height).split("\n", allow_blank=True))


def in_runs(cells: Iterable[tuple[str, str]]) -> Text:
    """A row of (character, style), as few stretches of one style each: a style for each would cost far more."""
    words, spans = "", []
    for style, run in groupby(cells, itemgetter(1)):
        start, words = len(words), words + "".join(character for character, _ in run)
        if style:
            spans.append(Span(start, len(words), style))
    return Text(words, spans=spans, no_wrap=True)


def same(one: Text, other: Text) -> bool:
    """Rich itself looks at words and the styles within them, not at that of the whole."""
    return one == other and one.style == other.style


def _fitting(panel: Widget, ways: Sequence[str]) -> str:
    """The first of several ways to say the same that a frame has room for beside its corners; else the last."""
    room = panel.outer_size.width - _CORNERS
    return next((words for words in ways if len(words) <= room), ways[-1])


def entitle(panel: Widget, title: str | None = None, subtitle: str | None = None) -> None:
    """Give a frame its words, above or below, and repaint that edge alone: Textual would repaint all inside it."""
    for name, words, y in (("border_title", title, 0), ("border_subtitle", subtitle, panel.outer_size.height - 1)):
        if words is None or getattr(panel, name) == words:
            continue
        if not panel.outer_size:
            setattr(panel, name, words)
            continue
        setattr(panel, f"_{name}", panel.render_str(words))  # what its property sets, before it repaints everything
        panel.refresh(Region(0, y, panel.outer_size.width, 1).translate(-panel.content_offset))
