"""What a session does with results, whoever gives them, and when nobody is left to give any."""

import asyncio

import msgspec
import pytest
import zmq

from analysis.live.settings import AnalysisSettings
from analysis.results import AnyResult, Arrhenius, Estimate, encode
from controller import events as ev
from controller.monitor.console import Console
from controller.stream import live_analysis
from controller.stream.live_analysis import LiveAnalysis
from controller.stream.shares import UNHEARD_S
from controller.stream.streams import Streams
from drivers.clock import WallClock
from drivers.frames import SeriesEnd
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal
from drivers.requests import RequestSocket
from drivers.stream_requests import Head, OwnParticles, StreamShare, TakeResult
from tests.analysis.results.test_results import STATE
from tests.controller.telemetry.test_telling import MAP


class Failing(LiveAnalysis):
    """Its own processes end at once."""

    async def _run_once(self, endpoints: dict[str, str], name: str) -> int:
        return 1


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def analysis(tmp_path, said) -> LiveAnalysis:
    folder = SessionFolder(tmp_path / "s")
    folder.frames.mkdir(parents=True)
    events, clock = ev.Events(), WallClock()
    events.listen(lambda event: said.append(event.text) if isinstance(event, ev.Log) else None)
    journal = Journal(folder.journal, clock)
    made = Failing(folder, AnalysisSettings(), clock, journal, events, [], dry=False, workers=2, shared=True)
    yield made
    journal.close()


def law(q: float) -> Arrhenius:
    return Arrhenius(
        q_j_per_mol=Estimate(q, 1.0),
        d0_m2_per_s=Estimate(1e-5, 1e-6),
        reference="centre",
        offsets_c={},
        misfit=1.0,
        simulated=True,
    )


def test_a_law_that_was_slower_on_its_way_is_dropped(analysis):
    for q, after in ((1.0, 2), (2.0, 1), (3.0, 3), (4.0, 3)):
        analysis.take(law(q), after)
    assert [r.q_j_per_mol.value for r in analysis.results] == [1.0, 3.0, 4.0]


def test_what_cannot_be_written_is_no_result_and_may_come_again(analysis, monkeypatch):
    def broken(_: AnyResult) -> bytes:
        raise TypeError("keys are words")

    with monkeypatch.context() as for_a_while:
        for_a_while.setattr(live_analysis, "to_line", broken)
        with pytest.raises(TypeError):
            analysis.take(STATE)
    assert analysis.results == []
    analysis.take(STATE)
    assert analysis.results == [STATE]


def test_nobody_is_waited_for_once_the_last_is_lost_and_whoever_joins_is(analysis, said, monkeypatch):
    monkeypatch.setattr(live_analysis, "_LOOK_EVERY_S", 0.01)
    now_s = [0.0]
    analysis.shares._now_s = lambda: now_s[0]

    async def main() -> None:
        analysis.shares.hear("laptop")
        analysis.expect("c00/NC2/tilt")
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(analysis.keep_running({}))
            assert not await analysis.behind_at_most(0, 0.2), "the laptop may still do it"
            now_s[0] += UNHEARD_S + 1.0
            assert await analysis.behind_at_most(0, 10.0)
            assert any("keeps failing, see analysis.log; frames go on" in words for words in said)
            analysis.shares.hear("tower")
            await asyncio.sleep(0.1)
            assert not await analysis.behind_at_most(0, 0.1)
            now_s[0] += UNHEARD_S + 1.0
            analysis.no_more()
            await running

    asyncio.run(main())


def test_after_a_crash_what_was_recorded_before_belongs_to_somebody(analysis):
    marks = {3: SeriesEnd(seq=3, step="c00/B/tilt", particle="B", frames=3, planned=3)}
    streams = Streams(None, ev.Events(), analysis, _nothing)  # type: ignore[arg-type]  # no frame is asked for
    try:
        for name in ("here 1", "here 2"):
            analysis.shares.begin(name)
        streams.go_on(5, marks, ["B", "A", "B"])
        assert [analysis.shares.of(name) for name in ("here 1", "here 2")] == [("B",), ("A",)]
        assert analysis.shares.diffused("B", 1, b"far") == (1, [b"far"])
    finally:
        streams.close()


ODD = [
    msgspec.structs.replace(MAP, step="m", final=True, report={None: 1}),
    msgspec.structs.replace(MAP, step="n", final=True, report={"of": msgspec.msgpack.Ext(5, b"x")}),
    msgspec.structs.replace(STATE, step="c09/NC2/tilt", alloying=Estimate(5e-324, 5e-324)),
]


@pytest.mark.parametrize("odd", ODD, ids=["a key that is none", "what no file has", "next to no alloying"])
def test_no_result_ends_a_session_that_prints_and_keeps_it(analysis, said, odd, capsys):
    """Whoever has an analyst's key, or a defect, may send it."""
    console = Console()
    analysis._events.listen(console.hear)

    async def main() -> None:
        streams = Streams(None, analysis._events, analysis, _nothing)  # type: ignore[arg-type]  # holds no frame
        with zmq.Context() as context:
            requests = RequestSocket(context, streams.endpoints["requests"], linger_ms=500)
            try:
                async with asyncio.TaskGroup() as tasks:
                    serving = tasks.create_task(streams.serve())
                    for part in (encode(odd), b"\xc1", b"", encode(STATE)):
                        requests.send(TakeResult(token=analysis.token), part)
                    await asyncio.to_thread(lambda: list(requests.ask(Head(), limit_s=5.0)))
                    serving.cancel()
            finally:
                requests.close()
                streams.close()

    asyncio.run(main())
    assert STATE in analysis.results


def test_many_unanswered_messages_do_not_keep_the_session_waiting(analysis):
    async def main() -> float:
        streams = Streams(None, ev.Events(), analysis, _nothing)  # type: ignore[arg-type]  # holds no frame
        beats, longest_s = asyncio.get_running_loop(), 0.0
        with zmq.Context() as context:
            requests = RequestSocket(context, streams.endpoints["requests"], linger_ms=500)
            try:
                async with asyncio.TaskGroup() as tasks:
                    serving = tasks.create_task(streams.serve())
                    for _ in range(900):
                        requests.send(TakeResult(token="guessed"), b"")
                    last_s = beats.time()
                    asked = tasks.create_task(asyncio.to_thread(lambda: list(requests.ask(Head(), limit_s=20.0))))
                    steps = 0
                    while not asked.done():
                        await asyncio.sleep(0)
                        steps += 1
                        longest_s, last_s = max(longest_s, beats.time() - last_s), beats.time()
                    serving.cancel()
            finally:
                requests.close()
                streams.close()
        assert steps > 900, "between any two of them all else has its turn"
        return longest_s

    print(f"longest pause {asyncio.run(main()):.3f} s")


def test_an_analysis_is_told_that_all_is_over_only_when_all_is_analysed(analysis):
    async def main() -> list[bool]:
        streams = Streams(None, ev.Events(), analysis, _nothing)  # type: ignore[arg-type]  # holds no frame
        told = []
        try:
            analysis.expect("c00/A/tilt")
            streams.closed = True
            for _ in range(2):
                (reply,) = [r async for r in streams._answers(OwnParticles(token=analysis.token, worker="w"), [])]
                told.append(msgspec.convert(reply[0], StreamShare).closed)
                analysis.take(msgspec.structs.replace(STATE, step="c00/A/tilt"))
        finally:
            streams.close()
        return told

    assert asyncio.run(main()) == [False, True]


async def _nothing(_: object) -> str:
    return ""
