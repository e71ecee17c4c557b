"""What an event becomes in topics, and that a screen gets it back from there."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.results import (
    AnyResult,
    Arrhenius,
    Diffusivity,
    DiffusivityResult,
    EdxResult,
    Estimate,
    ImageResult,
    Onset,
    Preview,
    Provisional,
    StateResult,
    WindowOffset,
)
from controller import events as ev
from controller.telemetry.retelling import Retelling
from controller.telemetry.telling import offline, online, told
from controller.telemetry.topics import Payload, Told, encode

STARTED = ev.Started("NC2, 450 C", "here", True, ("NC2",), 19)
D = DiffusivityResult(
    particle="NC2",
    states=2,
    diffusivities=(Diffusivity(450.0, 2.4e-19, 5e-21),),
    heated_s=(0.0, 60.0),
    measured=(Estimate(0.0, 0.0), Estimate(0.4, math.inf)),
    curve_s=(0.0, 60.0),
    curve=(0.0, 0.4),
    quality="good",
    simulated=True,
)
STATE = StateResult(
    step="c01/NC2/tilt",
    particle="NC2",
    state=1,
    heated_s=60.0,
    frames=71,
    planned=71,
    alloying=Estimate(0.4, 0.01),
    volume_nm3=148000.0,
    quality="good",
    simulated=True,
)
MAP = EdxResult(
    step="c01/NC2/edx",
    particle="NC2",
    tilt_deg=0.0,
    heated_c=450.0,
    heated_s=60.0,
    frames=10,
    planned=100,
    final=True,
    composition_at_pct={"Ag": Estimate(76.0, 0.5), "Au": Estimate(24.0, 0.5)},
    drift_nm=0.1,
    report={},
    details=(),
    spectrum=(1.0, 2.0),
    offset_kev=0.0,
    channel_kev=0.01,
    picture_shape=(2, 2),
    pictures={"HAADF": b"1234"},
    quality="few counts",
    simulated=True,
    analysis_s=0.1,
)
LAW = Arrhenius(
    q_j_per_mol=Estimate(2.1e5, 1e3),
    d0_m2_per_s=Estimate(1e-4, 1e-5),
    reference="centre",
    offsets_c={"the edge/1": WindowOffset(-34.0, 0.3, -34.3, -33.7, 110.0)},
    misfit=1.0,
    simulated=True,
)
IMAGE = ImageResult(
    step="c02/NC2/image",
    particle="NC2",
    heated_c=350.0,
    heated_s=300.0,
    contrast_lost=Estimate(0.2, 0.03),
    onset=Onset(300.0, 350.0),
    quality="good",
    simulated=True,
)
PREVIEW = Preview(step="s", particle="NC2", frames=3, shape=(2, 2), pixels=b"1234")
SO_FAR = Provisional(step="s", particle="NC2", frames=3, alloying=Estimate(0.5, 0.1), simulated=True)


def of(event: ev.Event) -> dict[str, Told]:
    return {each.topic: each for each in told(event)}


def of_result(result: AnyResult) -> dict[str, tuple[Any, ...]]:
    found = of(ev.ResultReceived(result))
    return {t: (m.value, m.std, m.unit, m.quality) for t, m in found.items() if not t.startswith("results/")}


def test_every_quantity_has_its_value_unit_and_error():
    chip = of(ev.ChipReading(5.0, 449.9, 450.0, 12.5, 0.4))
    assert {(t, m.value, m.unit, m.std, m.reading) for t, m in chip.items()} == {
        ("chip/temperature", 449.9, "C", 0.4, True),
        ("chip/setpoint", 450.0, "C", None, True),
        ("chip/power", 12.5, "mW", None, True),
    }
    progress = of(
        ev.StepProgress(9.0, "c01/NC2/tilt", 3, 9, 2, 71, 100.0, -66.0, {"NC2": 5e4}, {450.0: 60.5, 500.0: 9.0})
    )
    assert {t: (m.value, m.unit) for t, m in progress.items()} == {
        "stage/tilt": (-66.0, "deg"),
        "run/step": ("c01/NC2/tilt", ""),
        "NC2/dose": (5e4, "e/nm2"),
        "chip/heat": (69.5, "s"),
    }
    assert progress["chip/heat"].more["heat"][0] == {"temperature_c": 450.0, "duration_s": 60.5}
    assert of_result(STATE)["NC2/alloying"] == (0.4, 0.01, "1", "good")
    assert of_result(STATE)["NC2/volume"] == (148000.0, None, "nm3", "good")
    assert of_result(STATE)["NC2/gold_fraction"] == (None, None, "1", "no value")
    assert of_result(D) == {"NC2/diffusivity": (2.4e-19, 5e-21, "m2/s", "good")}
    assert of_result(MAP)["NC2/Ag_fraction"] == (76.0, 0.5, "at%", "few counts")
    assert of_result(LAW)["windows/the_edge_1_offset"] == (-34.0, 0.3, "C", "good")
    assert of_result(IMAGE)["NC2/onset"][:3] == (325.0, pytest.approx(14.43, abs=0.01), "C")
    assert of_result(SO_FAR) == {"NC2/alloying_so_far": (0.5, 0.1, "1", "good")}
    state = of(ev.RunStateChanged(1.0, "paused", "asked by the user"))["run/state"]
    assert (state.value, state.more["reason"], state.reading) == ("paused", "asked by the user", False)


def test_alarms_are_told_and_small_talk_and_pictures_are_not():
    assert of(ev.Log(3.0, "error", "it burns"))["log/error"].value == "it burns"
    assert list(of(ev.Log(3.0, "warning", "hm"))) == ["log/warning"]
    assert not of(ev.Log(3.0, "info", "well"))
    assert not of(ev.Picture("s", 0.0, (2, 2), b"1234"))
    assert not of(ev.ResultReceived(PREVIEW))
    found = of(ev.ResultReceived(MAP))
    assert "MTIzNA" not in msgspec.json.encode([m.more for m in found.values()]).decode()


def test_a_number_that_is_none_is_null_with_a_word():
    message = of(ev.ChipReading(5.0, math.nan, 450.0, math.inf))["chip/temperature"]
    assert (message.value, message.quality) == (None, "no value")
    bounded = msgspec.structs.replace(D, diffusivities=(Diffusivity(450.0, 1e-19, math.inf),))
    assert of_result(bounded) == {"NC2/diffusivity": (None, None, "m2/s", "no value")}


def payload(
    message: Told, sequence: int = 0, time: str = "2026-01-01T00:00:00.000+00:00", time_s: float = 5.0
) -> bytes:
    names = ("value", "unit", "std", "quality", "more")
    told = {name: getattr(message, name) for name in names}
    return encode(Payload(time=time, time_s=time_s, sequence=sequence, **told))


def heard(retelling: Retelling, *messages: Told, **options: Any) -> list[ev.Event]:
    return [e for m in messages for e in retelling.read(f"r/lab/s/{m.topic}", payload(m, **options))]


@pytest.mark.parametrize(
    "event",
    [
        ev.ChipReading(5.0, 449.9, 450.0, 12.5, 0.4),
        ev.ChipReading(5.0, 449.9, 450.0, 12.5),
        ev.RunStateChanged(5.0, "paused", "why"),
        ev.StepProgress(5.0, "c01/NC2/tilt", 3, 9, 2, 71, 100.0, -66.0),
        ev.StepProgress(5.0, "c01/heat", 3, 9, 0, 0, 100.0),
        ev.Log(5.0, "error", "it burns"),
        *(ev.ResultReceived(r) for r in (D, STATE, LAW, IMAGE, SO_FAR)),
        ev.ResultReceived(msgspec.structs.replace(MAP, pictures={})),
    ],
    ids=lambda e: type(getattr(e, "result", e)).__name__,
)
def test_a_screen_gets_back_what_the_session_told(event):
    retelling = Retelling("r/lab/s")
    assert heard(retelling, *told(event)) == [event]
    assert heard(retelling, *told(event)) == []  # repeated, as QoS 1 may
    assert heard(retelling, *told(event), time="2026-01-01T00:01:00.000+00:00") == [event]  # of a session gone on with
    assert retelling.malformed == 0


def test_a_session_that_falls_silent_and_comes_back_has_its_state_again():
    retelling = Retelling("r/lab/s")
    running = ev.RunStateChanged(5.0, "running")
    begun = heard(retelling, online(STARTED), *told(running))
    assert begun == [msgspec.structs.replace(STARTED, folder=""), running]
    silent = heard(retelling, offline(STARTED))[1]
    assert isinstance(silent, ev.RunStateChanged) and silent.state == "offline" and "no word" in silent.reason
    assert heard(retelling, online(STARTED))[1:] == [running]


@given(st.lists(st.binary(max_size=80) | st.just(b'{"value": 1}'), max_size=20))
def test_what_is_no_message_is_counted_and_ends_nothing(garbage):
    retelling = Retelling("r/lab/s")
    topics = ["status", "chip/power", "run/step", "results/x", "log/error", "run/state"]
    for n, data in enumerate(garbage):
        assert all(isinstance(e, ev.Log) for e in retelling.read(f"r/lab/s/{topics[n % 6]}", data))
    assert retelling.malformed == len(garbage)


@given(st.recursive(st.none() | st.text(max_size=5) | st.floats(allow_nan=False), lambda x: st.lists(x, max_size=3)))
def test_messages_of_the_right_form_with_wrong_content_are_counted_as_well(wrong):
    retelling, more = Retelling("r/lab/s"), {"result": wrong, "steps": wrong, "title": wrong}
    whole = {"value": [], "unit": "", "std": None, "time": "t", "time_s": 0, "sequence": 0, "quality": "", "more": more}
    for topic, value in (("status", "online"), ("results/x", "w"), ("run/step", 1.0)):
        data = json.dumps(whole | {"value": value}).encode()
        assert all(isinstance(e, ev.Log) for e in retelling.read(f"r/lab/s/{topic}", data))
    assert retelling.malformed == 3
