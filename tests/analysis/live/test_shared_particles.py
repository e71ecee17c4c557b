"""Of a stream that several analyses hear, each feeds what is its own, from its begin, once."""

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from analysis.diffusion.arrhenius import Followed, fit_arrhenius
from analysis.live.followed_message import decode_followed, encode_followed
from analysis.live.pipeline import Pipeline
from analysis.live.shared_particles import SharedParticles, particle_of
from analysis.results import Result
from drivers.frames import HeatPulse, SeriesEnd, StreamItem
from drivers.requests import NoAnswer


class Fed(Pipeline):
    """Which marks of which particle it was fed with and has not forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[int] = []

    def feed(self, item: StreamItem) -> list[Result]:
        assert isinstance(item, SeriesEnd)
        self.numbers.append(item.seq)
        return []

    def forget(self, particle: str) -> None:
        super().forget(particle)
        self.numbers = [n for n in self.numbers if STREAM[n].particle != particle]


STREAM = [SeriesEnd(seq=n, step=f"c{n}/x", particle="ABCB"[n % 4], frames=1, planned=1) for n in range(20)]


class Session:
    """Gives its particles out, and its stream again."""

    def __init__(self, *share: str) -> None:
        self.share: frozenset[str] | None = frozenset(share)
        self.breaks_at = len(STREAM)

    def ask(self) -> frozenset[str] | None:
        return self.share

    def past(self, until: int) -> Iterator[SeriesEnd]:
        for item in STREAM[:until]:
            if item.seq >= self.breaks_at:
                raise NoAnswer("cut")
            yield item


def numbers_of(*particles: str, until: int = len(STREAM)) -> list[int]:
    return [item.seq for item in STREAM[:until] if item.particle in particles]


@pytest.fixture
def fed() -> Fed:
    return Fed()


def shared(fed: Fed, session: Session) -> SharedParticles:
    return SharedParticles(fed, session.ask, session.past, lambda _: None)


def heard(shares: SharedParticles, first: int, until: int) -> None:
    for item in STREAM[first:until]:
        shares.feed(item, item.seq)


def test_only_its_own_are_fed(fed):
    heard(shared(fed, Session("A", "C")), 0, 20)
    assert fed.numbers == numbers_of("A", "C")


def test_what_is_taken_over_is_fed_from_its_begin_and_goes_on(fed):
    session = Session("A")
    shares = shared(fed, session)
    heard(shares, 0, 10)
    session.share = frozenset("AB")
    shares.look(10)
    heard(shares, 10, 20)
    assert sorted(fed.numbers) == numbers_of("A", "B")
    assert len(set(fed.numbers)) == len(fed.numbers)
    assert [n for n in fed.numbers if particle_of(STREAM[n]) == "B"] == numbers_of("B")


def test_what_is_lost_and_given_back_is_fed_once_and_whole(fed):
    session = Session("A", "B")
    shares = shared(fed, session)
    heard(shares, 0, 8)
    session.share = frozenset("A")
    shares.look(8)
    heard(shares, 8, 14)
    assert fed.numbers == numbers_of("A", until=14)
    session.share = frozenset("AB")
    shares.look(14)
    heard(shares, 14, 20)
    assert sorted(fed.numbers) == numbers_of("A", "B")


def test_a_session_that_is_silent_for_a_while_changes_nothing(fed):
    session = Session("A", "B")
    shares = shared(fed, session)
    heard(shares, 0, 9)
    session.share = None
    shares.look(9)
    heard(shares, 9, 20)
    assert fed.numbers == numbers_of("A", "B")


def test_a_past_that_breaks_off_is_asked_for_anew(fed):
    session = Session("A")
    shares = shared(fed, session)
    heard(shares, 0, 12)
    session.share, session.breaks_at = frozenset("AC"), 7
    shares.look(12)
    assert fed.numbers == numbers_of("A", until=12)
    session.breaks_at = len(STREAM)
    shares.look(12)
    heard(shares, 12, 20)
    assert sorted(fed.numbers) == numbers_of("A", "C")


def test_to_take_over_ends_where_another_one_has_it_meanwhile(fed):
    session = Session("A")
    shares = shared(fed, session)
    heard(shares, 0, 16)
    asked = iter([frozenset("AB"), frozenset("AB"), frozenset("A"), frozenset("A")])
    session.ask = lambda: next(asked)  # type: ignore[method-assign]
    shares = SharedParticles(fed, session.ask, session.past, lambda _: None)
    shares._met = set("AB")
    shares._had = set("A")
    shares.look(16)
    assert fed.numbers == numbers_of("A", until=16)


@pytest.mark.parametrize("states", [0, 1, 4])
@pytest.mark.parametrize("floor", [False, True])
def test_how_far_a_particle_has_diffused_arrives_as_it_was_sent(states, floor):
    rng = np.random.default_rng(states)
    pulses = tuple(HeatPulse(t, 30.0, 0.02) for t in (400.0, 450.0))
    sent = Followed(
        particle="NR\u00e4",
        window="edge",
        temperatures_c=(400.0, 450.0),
        seconds=np.cumsum(rng.random((states, 2)), axis=0),
        ln_tau=rng.standard_normal(states),
        ln_std=rng.random(states),
        shared_ln_std=np.float64(0.02),
        floor_ln_std=rng.random(states) if floor else None,
        pulses=pulses,
    )
    (got,) = decode_followed([encode_followed(sent)])
    assert (got.particle, got.window, got.temperatures_c, got.pulses) == ("NR\u00e4", "edge", (400.0, 450.0), pulses)
    for name in ("seconds", "ln_tau", "ln_std", "total_ln_std"):
        assert np.array_equal(getattr(got, name), getattr(sent, name)), name
    law = [fit_arrhenius([one], simulated=True) for one in (sent, got)]
    assert law[0] == law[1]


def test_what_is_no_such_message_is_refused():
    with pytest.raises(msgspec.MsgspecError):
        decode_followed([b"\x81\xa8particle\x05"])
