"""Fifty-two mistakes that people type into a session file: each has one sentence, with its place and what to write."""

import re

import pytest

from controller.plan.check import checked_session
from drivers.errors import ConfigError

GOOD = """
title = "NC2, 450 C"
seed = 3
report = false

[chip]
backend = "simulated"
ramp_c_per_s = 1000.0
limits = { max_c = 600.0 }

[microscope]
backend = "simulated"
[microscope.options]
particles = [{ specimen = "NC2" }]
current_pa = 400.0

[scan]
pixel_nm = 1.0
shape = [64, 64]
dwell_us = 10.0

[tilt]
mode = "stepped"
from_deg = -70.0
to_deg = 70.0
step_deg = 5.0

[[particles]]
name = "NC2"
core = "Au"
shell = "Ag"

[[plan]]
kind = "tilt-series"

[[plan]]
kind = "pulses"
temperature_c = 450.0
durations_s = [15.0, 30.0]
"""
MISTAKES = [
    ("seed = 3", "seed = three", "line 3: is not valid TOML.*text stands in quotes"),
    ("seed = 3", "seed = -3", "line 3: seed: must be at least 0"),
    ("seed = 3", "seed = 3.5", "line 3: seed: must be a whole number"),
    ('title = "NC2, 450 C"', 'titel = "NC2"', "line 2: titel: unknown key; did you mean 'title'"),
    ('title = "NC2, 450 C"', "title = NC2", "line 2: .*text stands in quotes"),
    ('title = "NC2, 450 C"', "", "title: missing; add title"),
    ("[chip]", "[chips]", "line 6: chips: unknown key; did you mean 'chip'"),
    ("[chip]\n", "[chip\n", "line 6: is not valid TOML .*expected ']'"),
    (
        'backend = "simulated"\nramp',
        'backend = "simulatd"\nramp',
        "chip.backend: no backend is called 'simulatd'; did you mean",
    ),
    ("ramp_c_per_s = 1000.0", 'ramp_c_per_s = "fast"', "line 8: chip.ramp_c_per_s: must be a number, without quotes"),
    ("ramp_c_per_s = 1000.0", "ramp_c_per_s = 0", "line 8: .*must be at least 0.001"),
    ("ramp_c_per_s = 1000.0", "ramp = 1000.0", "line 8: chip.ramp: unknown key; did you mean 'ramp_c"),
    (
        "limits = { max_c = 600.0 }",
        "limits = { max_c = 400.0 }",
        "plan.2..temperature_c: 450 C was asked, the limits are 15 to 400 C; lower",
    ),
    (
        "limits = { max_c = 600.0 }",
        "limits = { max = 600.0 }",
        "line 9: chip.limits.max: .*did you mean 'max_c'",
    ),
    ("limits = { max_c = 600.0 }", "limits = 600.0", "line 9: chip.limits: is to be a table"),
    ('{ specimen = "NC2" }', '{ specimen = "NC9" }', r"particles\[1\]: no specimen 'NC9'; there are"),
    ('{ specimen = "NC2" }', '{ specimn = "NC2" }', "microscope.options: particles.1..specimn: unknown key"),
    ("current_pa = 400.0", "curent_pa = 400.0", "curent_pa: .*did you mean 'current_pa'"),
    ("current_pa = 400.0", "current_pa = -1.0", "current_pa: must be above 0"),
    ("pixel_nm = 1.0", "pixel_nm = 0", "line 18: scan.pixel_nm: must be at least 0.001"),
    ("pixel_nm = 1.0", "pixel_nm = 1000.0", "scan.pixel_nm: 1000 nm; .*write the pixel size in nm"),
    ("pixel_nm = 1.0", 'pixel_nm = "1 nm"', "line 18: scan.pixel_nm: must be a number, without quotes and unit"),
    ("pixel_nm = 1.0", "pixel_size_nm = 1.0", "line 18: .*did you mean 'pixel_nm'"),
    ("shape = [64, 64]", "shape = 64", "line 19: scan.shape: is to be a list"),
    ("shape = [64, 64]", "shape = [64]", "line 19: scan.shape.2.: missing; the list is too short"),
    ("shape = [64, 64]", "shape = [64.5, 64]", "line 19: scan.shape.1.: must be a whole number"),
    ("shape = [64, 64]", "shape = [0, 64]", "line 17: scan: shape must lie between 16x16"),
    ("dwell_us = 10.0", "dwell_us = 1e9", "line 20: scan.dwell_us: must be at most"),
    ("dwell_us = 10.0", "dwell_us = 1e6", "scan.dwell_us: a frame would take 4096 s.*lower it"),
    ('mode = "stepped"', 'mode = "steped"', "line 23: tilt.mode: must be 'stepped' or 'continuous'"),
    (
        'mode = "stepped"',
        'mode = "continuous"\nrate_deg_per_s = 0.0',
        "line 24: tilt.rate_deg_per_s: must be at least 0.001",
    ),
    ("from_deg = -70.0", "from_deg = -80.0", "tilt.from_deg: -80 deg is beyond the holder's range of -75 to 75"),
    ("to_deg = 70.0", "to_deg = -70.0", "line 22: tilt: from_deg and to_deg must lie"),
    ("step_deg = 5.0", "step_deg = 0.0", "line 26: tilt.step_deg: must be at least"),
    ("step_deg = 5.0", "step_deg = 200.0", "line 22: tilt: from_deg and to_deg must lie"),
    ('core = "Au"', 'core = "Xx"', "line 30: .*no element is called Xx"),
    ('core = "Au"', 'core = "gold"', "line 30: .*write its symbol, Au"),
    ('name = "NC2"\ncore', 'name = "NC 2/a"\ncore', "line 29: particles.1..name: may have letters, digits"),
    ('name = "NC2"\ncore', "core", "line 28: particles.1..name: missing; add name"),
    ("[[particles]]", "[particles]", "line 28: particles: .*write ..particles.."),
    ('kind = "pulses"', 'kind = "pulse"', "line 36: plan.2.: no such kind as 'pulse'; did you mean 'pulses'"),
    ('kind = "pulses"\n', "", "line 36: plan.2.: kind: missing; there are cycle, edx-map"),
    ("temperature_c = 450.0", "temperature_c = 4500.0", "line 38: .*must be at most 3000"),
    ("temperature_c = 450.0", "temperature_k = 723.0", "line 38: .*did you mean 'temperature_c'"),
    (
        "durations_s = [15.0, 30.0]",
        "durations_s = [15.0, -30.0]",
        "line 39: plan.2..durations_s.2.: must be at least 0",
    ),
    ("durations_s = [15.0, 30.0]", "durations_s = 15.0", "line 39: .*is to be a list, in .square brackets."),
    ("durations_s = [15.0, 30.0]", "durations_s = []", "line 39: .*must have 1 value"),
    ("durations_s = [15.0, 30.0]", "durations_s = [15,0, 30,0", "Unclosed array .*bracket or a quote"),
    ("durations_s = [15.0, 30.0]", "duration_s = [15.0]", "line 39: .*did you mean 'durations_s'"),
    (
        '[[plan]]\nkind = "tilt-series"',
        '[plan]\nkind = "tilt-series"',
        "line 36: .*there twice; sections of a list are written",
    ),
    ("450.0\ndur", "450,0\ndur", "line 38: .*write decimals with a point"),
    ('"NC2, 450 C"', "“NC2”", "line 2: .*write straight quotes"),
]


def test_without_a_mistake_nothing_is_said(tmp_path):
    path = tmp_path / "session.toml"
    path.write_text(GOOD)
    assert checked_session(path).title == "NC2, 450 C"


@pytest.mark.parametrize(("right", "wrong", "told"), MISTAKES, ids=range(1, len(MISTAKES) + 1))
def test_a_mistake_has_one_sentence_with_place_and_remedy(tmp_path, right, wrong, told):
    assert right in GOOD
    path = tmp_path / "session.toml"
    path.write_text(GOOD.replace(right, wrong, 1))
    with pytest.raises(ConfigError) as refused:
        checked_session(path)
    (said,) = refused.value.problems
    assert re.search(told, said), said
