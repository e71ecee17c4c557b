"""Which simulated instruments a session file asks for, and where they are put."""

import asyncio
from pathlib import Path

import pytest

from controller.instrument_rehearsal import instrument_servers
from controller.plan.session_file import load_session
from drivers.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "examples" / "impulse_temscript_nc2.toml"


def test_both_wires_are_served_where_the_drivers_look(tmp_path):
    chip, microscope = instrument_servers(load_session(EXAMPLE), tmp_path, ["NC2=NC1"], ["voxels_across=24"])
    assert chip.told == "Impulse: requests at tcp://127.0.0.1:5557, readings at tcp://127.0.0.1:5556"
    assert microscope.told == "temscript: http://127.0.0.1:8080"
    (place,) = microscope._microscope._places
    assert (place.specimen, place.name) == ("NC1", "NC2")


@pytest.mark.parametrize(
    ("specimens", "twin", "words"),
    [
        (["NC7=NC1"], [], "--specimen takes PARTICLE=SPECIMEN"),
        (["NC2"], [], "--specimen takes PARTICLE=SPECIMEN"),
        ([], ["fast"], "--twin takes OPTION=NUMBER"),
        (["NC2=gold"], [], "no specimen 'gold'"),
    ],
)
def test_what_is_no_specimen_or_option_is_refused(tmp_path, specimens, twin, words):
    with pytest.raises(ConfigError, match=words):
        instrument_servers(load_session(EXAMPLE), tmp_path, specimens, twin)


def test_a_session_of_simulators_has_nothing_to_be_served(session_file, tmp_path):
    with pytest.raises(ConfigError, match="what can be simulated on its wire: impulse, keithley"):
        instrument_servers(load_session(session_file()), tmp_path)


def test_a_server_tells_when_it_listens_and_lets_go_when_it_is_cancelled(session_file, tmp_path):
    async def main() -> None:
        session = load_session(EXAMPLE)
        server = instrument_servers(session, tmp_path, twin=["voxels_across=24"])[1]
        for _ in range(2):  # its port is free again
            ready = asyncio.Event()
            serving = asyncio.create_task(server.serve(ready.set))
            await asyncio.wait_for(ready.wait(), 60.0)
            serving.cancel()
            await asyncio.wait([serving])

    asyncio.run(main())
