import asyncio
from pathlib import Path

import pytest

from drivers.clock import SteppedClock
from drivers.errors import ConfigError, DeviceError, NotConnected
from drivers.interfaces import DriverContext
from drivers.registry import backends, check_options, connect_all, find, load
from simulators.chip import SimulatedChip


async def dead(name: str, fault: str) -> None:
    raise DeviceError(name, fault)


def test_backends_are_found_by_name_and_by_path():
    assert {"simulated", "replay"} <= set(backends("chip"))
    assert find("chip", "simulated") is SimulatedChip
    assert find("chip", "simulators.chip:SimulatedChip") is SimulatedChip


@pytest.mark.parametrize("name", ["simulatd", "no.such.module:Chip", "simulators.chip:Nothing", ":"])
def test_an_unknown_backend_is_named_with_what_exists(name):
    with pytest.raises(ConfigError) as caught:
        find("chip", name)
    assert name in str(caught.value)


def test_an_option_the_backend_does_not_know_is_refused_with_the_nearest():
    problems = check_options("chip", "simulated", {"cooling_sec": 1.0})
    assert len(problems) == 1
    assert "cooling_s" in problems[0]
    with pytest.raises(ConfigError):
        load("chip", "simulated", DriverContext(SteppedClock(), 0, Path("unused")), {"cooling_sec": 1.0})


def test_all_failures_to_connect_are_reported_together():
    with pytest.raises(NotConnected) as caught:
        asyncio.run(
            connect_all({"chip": dead("chip", "no reply on port 5557"), "stage": dead("stage", "licence missing")})
        )
    assert set(caught.value.failures) == {"chip", "stage"}
    assert "port 5557" in str(caught.value)
    assert "licence missing" in str(caught.value)


class NoLibrary(SimulatedChip):
    def __init__(self, name: str, context: DriverContext) -> None:
        raise OSError("vendor.dll was not found")


class Picky(NoLibrary):
    def __init__(self, name: str, context: DriverContext) -> None:
        raise ValueError("port must be above 1024")


@pytest.mark.parametrize(("driver", "told"), [(NoLibrary, "vendor.dll was not found"), (Picky, "above 1024")])
def test_a_driver_that_cannot_be_built_says_why(driver, told):
    with pytest.raises(ConfigError, match=told) as caught:
        load("chip", f"{__name__}:{driver.__name__}", DriverContext(SteppedClock(), 0, Path("unused")), {})
    assert driver.__name__ in str(caught.value)


def test_a_vendors_module_that_fails_to_load_says_why(tmp_path, monkeypatch):
    (tmp_path / "without_its_dll.py").write_text('raise RuntimeError("the vendor\'s server is not running")\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="server is not running"):
        find("microscope", "without_its_dll:Microscope")


def test_a_driver_without_what_its_kind_must_do_is_refused_before_it_is_asked(tmp_path):
    path = tmp_path / "half.py"
    path.write_text("class Half:\n    def __init__(self, name, context): pass\n    async def read(self): pass\n")
    (problem,) = check_options("chip", "half.py:Half", {}, tmp_path)
    assert "quench" in problem
    assert "read," not in problem


def test_a_driver_in_a_file_beside_the_session_file_is_found(tmp_path):
    (tmp_path / "my_chip.py").write_text(
        "from simulators.chip import SimulatedChip\nclass MyChip(SimulatedChip):\n    maker = 'mine'\n"
    )
    context = DriverContext(SteppedClock(), 0, tmp_path, tmp_path)
    assert load("chip", "my_chip.py:MyChip", context, {}).maker == "mine"
    with pytest.raises(ConfigError, match="there is no"):
        find("chip", "other.py:MyChip", tmp_path)
