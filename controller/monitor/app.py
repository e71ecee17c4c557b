"""The screen of a session: state, temperature, tilts, images, alloying curve, D, log, and four keys that act."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

import numpy as np
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical
from textual.widgets import Footer, RichLog, Static

from analysis.results import (
    Arrhenius,
    DiffusivityResult,
    EdxResult,
    ImageResult,
    Outlined,
    Preview,
    Provisional,
    StateResult,
    pretty,
)
from controller import events as ev
from controller.check import clock_time
from controller.console import edx_words, onset_words
from controller.monitor.arrhenius import STYLES, arrhenius_curves
from controller.monitor.edx import ElementMaps, SpectrumAndProfile
from controller.monitor.onset import onset_curves
from controller.monitor.picture import PicturePanel, belongs, in_words, rims_in
from controller.monitor.plot import Curve, Plot
from controller.monitor.source import RemoteSession, Source

_REFRESH_S = 0.2
_ASK_AGAIN_S = 4.0
_COLOURS = {
    "running": "green",
    "pausing": "yellow",
    "paused": "yellow",
    "aborting": "red",
    "done": "cyan",
    "failed": "red",
}


class MonitorApp(App[None]):
    """Draws what a `Source` tells. Leaving it never stops a session."""

    CSS_PATH = "monitor.tcss"
    TITLE = "Alloyscope"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "send('pause')", "pause"),
        Binding("r", "send('resume')", "resume"),
        Binding("a", "abort", "abort"),
        Binding("exclamation_mark", "send('stop')", "EMERGENCY STOP", key_display="!"),
        Binding("d", "turn_over", "next sheet"),
        Binding("q", "quit", "leave"),
    ]

    def __init__(self, source: Source | dict[str, str]) -> None:
        super().__init__()
        self._source: Source = RemoteSession(source) if isinstance(source, dict) else source
        self._readings: deque[ev.Reading] = deque(maxlen=3600)
        self._started: ev.Started | None = None
        self._state = ev.RunStateChanged(0.0, "connecting")
        self._progress: ev.Progress | None = None
        self._picture: ev.Picture | None = None
        self._preview: Preview | None = None
        self._outlined: Outlined | None = None
        self._provisional: Provisional | None = None
        self._states: dict[str, StateResult] = {}
        self._fits: dict[str, DiffusivityResult] = {}
        self._images: dict[str, list[ImageResult]] = {}
        self._together: Arrhenius | None = None
        self._map: EdxResult | None = None
        self._maps: dict[str, EdxResult] = {}
        self._finished: ev.Finished | None = None
        self._quiet = False
        self._changed = True
        self._abort_asked = False

    def compose(self) -> ComposeResult:
        yield Static(id="status")
        yield Static(id="progress")
        with Grid(id="panels"):
            yield Plot("chip", "s", id="temperature")
            with Horizontal(id="pictures"):
                yield PicturePanel("last frame", id="frame")
                yield PicturePanel("orthoslice", id="slice")
            yield ElementMaps(id="maps")
            yield Plot("degree of alloying", "s at temperature", id="alloying", y_range=(0.0, 1.0))
            yield Plot("log10 of D in m2/s, interval by interval", "1000/K", id="arrhenius")
            yield SpectrumAndProfile(id="edx")
            with Vertical(id="words"):
                yield Static(id="results")
                yield RichLog(id="log", wrap=True, min_width=20, max_lines=300)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self._turn_to("alloying")
        self.query_one("#results").border_title = "results"
        self.query_one("#log").border_title = "log"
        self.run_worker(self._listen(), name="events", exclusive=True)
        self.set_interval(_REFRESH_S, self._draw)

    async def _listen(self) -> None:
        async for event in self._source.events():
            self._quiet = event is None
            if event is not None:
                self._take(event)
            self._changed = True

    def _take(self, event: ev.Event) -> None:
        match event:
            case ev.Started():
                self._started = event
            case ev.RunStateChanged():
                self._state = event
                self._say(f"{event.state}{': ' + event.reason if event.reason else ''}", event.time_s)
            case ev.Progress():
                self._progress = event
            case ev.Reading():
                self._readings.append(event)
            case ev.Picture():
                self._picture = event
            case ev.Told(Preview() as preview):
                if self._preview is None or preview.step != self._preview.step:
                    self._turn_to("alloying")
                self._preview = preview
            case ev.Told(Outlined() as outlined):
                self._outlined = outlined
                for words in outlined.happened:
                    self._say(f"{outlined.step}: {words}")
            case ev.Told(Provisional() as provisional):
                self._provisional = provisional
            case ev.Told(StateResult() as state):
                self._states[state.step] = state
                if state.quality != "good":
                    self._say(f"{state.step}: {state.quality}")
            case ev.Told(ImageResult() as image):
                self._images.setdefault(image.particle, []).append(image)
                if image.quality != "good":
                    self._say(f"{image.step}: {image.quality}")
            case ev.Told(EdxResult() as found):
                if self._map is None or found.step != self._map.step:
                    self._turn_to("edx")
                self._map = found
                if found.final:
                    self._maps[found.step] = found
                    if found.quality != "good":
                        self._say(f"{found.step}: {found.quality}")
            case ev.Told(DiffusivityResult() as fit):
                self._fits[fit.particle] = fit
            case ev.Told(Arrhenius() as together):
                self._together = together
            case ev.Log():
                self._say(f"{'' if event.level == 'info' else event.level + ': '}{event.text}", event.time_s)
            case ev.Finished():
                self._finished = event

    def _draw(self) -> None:
        """Bring the screen up to date, at most a few times a second however fast events come."""
        if not self._changed:
            return
        self._changed = False
        self.query_one("#status", Static).update(self._status())
        self.query_one("#progress", Static).update(self._where())
        self.query_one("#results", Static).update(self._numbers())
        times = [r.time_s for r in self._readings]
        self.query_one("#temperature", Plot).show(
            [
                Curve(times, [r.setpoint_c for r in self._readings], "yellow"),
                Curve(times, [r.temperature_c for r in self._readings], "red"),
            ],
            y_range=(0.0, max([100.0, *(r.temperature_c for r in self._readings)])),
        )
        if self._readings:
            last = self._readings[-1]
            std = "" if last.temperature_std_c is None else f" +- {last.temperature_std_c:.1f}"
            title = f"chip {last.temperature_c:.1f}{std} C, set {last.setpoint_c:.1f} C"
            self.query_one("#temperature", Plot).border_title = title
        self._draw_alloying()
        self.query_one("#arrhenius", Plot).show(list(arrhenius_curves(list(self._fits.values()), self._together)))
        if self._map is not None:
            self.query_one("#maps", ElementMaps).show(self._map)
            self.query_one("#edx", SpectrumAndProfile).show(self._map)
        if self._picture is not None:
            pixels = np.frombuffer(self._picture.pixels, np.uint8).reshape(self._picture.shape)
            caption, rims = f"{self._picture.tilt_deg:+.1f} deg", None
            if self._outlined is not None and belongs(self._outlined, self._picture):
                caption, rims = f"{caption}, {in_words(self._outlined)}", rims_in(self._outlined, pixels.shape)
            self.query_one("#frame", PicturePanel).show(pixels, caption, rims)
        if self._preview is not None:
            pixels = np.frombuffer(self._preview.pixels, np.uint8).reshape(self._preview.shape)
            self.query_one("#slice", PicturePanel).show(pixels, f"{self._preview.frames} tilts")

    def _draw_alloying(self) -> None:
        panel = self.query_one("#alloying", Plot)
        if self._images and not self._fits:
            panel.border_title, panel.unit = "contrast lost, image by image", "C"
            panel.show(list(onset_curves(self._images)))
            return
        curves = []
        if not self._fits:
            told = [(s.heated_s, s.alloying) for s in self._states.values() if s.alloying is not None]
            seconds, degrees = [t for t, _ in told], [a.value for _, a in told]
            curves.append(Curve(seconds, degrees, "bold white", joined=False, std=[a.std for _, a in told]))
        for fit, style in zip(self._fits.values(), STYLES, strict=False):
            curves.append(Curve(fit.curve_s, fit.curve, style))
            points = [e.value for e in fit.measured]
            curves.append(Curve(fit.heated_s, points, "bold white", joined=False, std=[e.std for e in fit.measured]))
        panel.show(curves)

    def _status(self) -> Text:
        out = Text(no_wrap=True, overflow="ellipsis")
        out.append(f" {self._state.state} ", style=f"bold reverse {_COLOURS.get(self._state.state, 'white')}")
        if self._started is not None:
            out.append(f" {self._started.title}")
            if self._started.simulated:
                out.append("  SIMULATED", style="bold yellow")
        if self._abort_asked:
            out.append("  press a again to abort", style="bold red")
        elif self._finished is not None:
            out.append(f"  {self._finished.reason}; q leaves", style="cyan")
        elif self._quiet:
            out.append("  no news from the session", style="bold red")
        return out

    def _where(self) -> Text:
        p = self._progress
        if p is None:
            return Text("waiting for the session", style="dim")
        out = Text(f" step {p.step_number}/{p.steps} {p.step}", no_wrap=True, overflow="ellipsis")
        if p.parts and p.tilt_deg is not None:
            filled = round(10 * p.part / p.parts)
            out.append(f"  {'━' * filled}", style="green")
            out.append("━" * (10 - filled), style="dim")
            out.append(f" {p.part}/{p.parts} {p.tilt_deg:+.1f} deg")
        out.append(f"  {clock_time(p.time_s)}, {clock_time(p.left_s)} left", style="bold")
        return out

    def _numbers(self) -> Text:
        out = Text()
        for fit in self._fits.values():
            for d in fit.diffusivities[-1:]:
                out.append(f"{fit.particle} D({d.temperature_c:g} C)\n", style="dim")
                out.append(f"{pretty(d.value, d.std)} m2/s\n", style="bold")
        if self._together is not None:
            for line in self._together.words():
                out.append(f"{line}\n")
        for name, images in self._images.items():
            last = images[-1]
            out.append(f"{name} {len(images)} image(s)", style="dim")
            if last.heated_c is not None:
                out.append(f", after {last.heated_c:g} C")
            out.append(f"\ncontrast lost {last.contrast_lost or '-'}{onset_words(last.onset)}\n")
        for found in self._latest_maps():
            out.append(f"{found.particle} {edx_words(found)}", style="bold" if found.final else "italic")
            out.append(f"\n{found.step}, {found.frames}/{found.planned} frames, drift {found.drift_nm:.1f} nm, ")
            out.append(f"{found.quality}\n")
            if "profile" in found.report:
                out.append(f"{found.report['profile']['statement']}\n")
        latest = {s.particle: s for s in self._states.values()}
        for state in latest.values():
            now = self._provisional
            if now is not None and now.particle == state.particle and now.step not in self._states:
                out.append(f"{now.particle} alloying {now.alloying}, {now.frames} tilts\n", style="italic")
            else:
                out.append(f"{state.particle} alloying {state.alloying or '-'}\n")
            out.append(f"{len(self._states)} state(s), {state.heated_s:.4g} s, {state.quality}")
        return out if out.plain else Text("no result yet", style="dim")

    def _latest_maps(self) -> list[EdxResult]:
        """Of each particle, the newest first."""
        newest = {m.particle: m for m in (*self._maps.values(), *([] if self._map is None else [self._map]))}
        return sorted(newest.values(), key=lambda m: m is not self._map)

    def _say(self, text: str, time_s: float | None = None) -> None:
        at = f"{clock_time(time_s)} " if time_s is not None else ""
        self.query_one("#log", RichLog).write(Text(at, style="dim") + Text(text))

    def action_send(self, command: str) -> None:
        self.run_worker(self._send(command), name=command)

    def action_turn_over(self) -> None:
        """The alloying curve, D against 1/T and the EDX map, in turn, in the same place."""
        sheets = ["alloying", "arrhenius", *(["edx"] if self._map is not None else [])]
        now = next(n for n, name in enumerate(sheets) if self.query_one(f"#{name}").display)
        self._turn_to(sheets[(now + 1) % len(sheets)])

    def _turn_to(self, sheet: str) -> None:
        for name in ("alloying", "arrhenius", "edx"):
            self.query_one(f"#{name}").display = name == sheet
        self.query_one("#maps").display = sheet == "edx"
        self.query_one("#pictures").display = sheet != "edx"

    def action_abort(self) -> None:
        """Aborting ends a session for good, so it is asked once more."""
        if self._abort_asked:
            self._abort_asked = False
            self.run_worker(self._send("abort"), name="abort")
        else:
            self._abort_asked = True
            self.set_timer(_ASK_AGAIN_S, self._forget_abort)
        self._changed = True

    def _forget_abort(self) -> None:
        self._abort_asked = False
        self._changed = True

    async def _send(self, command: str) -> None:
        self._say(await self._source.command(command))
