"""The six sheets of the screen: which panels each of them holds."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container, Grid, Horizontal, Vertical, VerticalScroll

from controller.monitor.panels.alloying import AlloyingPlot
from controller.monitor.panels.arrhenius import ArrheniusPlot
from controller.monitor.panels.brief import Brief
from controller.monitor.panels.chip import ChipPlot
from controller.monitor.panels.edx import ElementMaps, SpectrumAndProfile
from controller.monitor.panels.log import SessionLog
from controller.monitor.panels.picture import FramePicture, SlicePicture
from controller.monitor.panels.plan import PlanTable
from controller.monitor.panels.plot import CLOCK
from controller.monitor.panels.results import ResultsPanel
from controller.monitor.panels.slices import SlicesSheet
from controller.monitor.panels.states import StatesTable


def sheets() -> ComposeResult:
    """In the order of their keys."""
    with Container(id="now"):
        yield Brief(id="brief")
        yield from _now()
    with Grid(id="results-sheet"):
        yield AlloyingPlot("degree of alloying", "s at temperature", id="alloying-large", y_range=(0.0, 1.0))
        yield ArrheniusPlot("log10 of D in m2/s", "1000/K", id="arrhenius-large")
        with VerticalScroll(id="all-results-scroll"):
            yield ResultsPanel(id="all-results")
        yield StatesTable(id="states")
    yield SlicesSheet(id="slices-sheet")
    yield PlanTable(id="plan-sheet")
    yield SessionLog(id="log-sheet", most=1000)
    with Horizontal(id="edx-sheet"):
        yield ElementMaps(id="maps-large")
        yield SpectrumAndProfile(id="edx-large")


def _now() -> ComposeResult:
    with Grid(id="panels"):
        yield PlanTable(id="plan")
        yield ChipPlot("chip", CLOCK, id="temperature")
        with Horizontal(id="pictures"):
            yield FramePicture("last frame", id="frame")
            yield SlicePicture("orthoslice", id="slice")
        yield ElementMaps(id="maps")
        yield AlloyingPlot("degree of alloying", "s at temperature", id="alloying", y_range=(0.0, 1.0))
        yield ArrheniusPlot("log10 of D in m2/s", "1000/K", id="arrhenius")
        yield SpectrumAndProfile(id="edx")
        with Vertical(id="words"):
            with VerticalScroll(id="results-scroll"):
                yield ResultsPanel(id="results")
            yield SessionLog(id="log", most=300)
