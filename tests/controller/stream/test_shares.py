"""Who analyses which particle, whatever happens to those who do."""

import pytest

from controller.stream.shares import UNHEARD_S, Shares


class Hours:
    """A clock that stands until it is moved."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Hours:
    return Hours()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def shares(said, clock) -> Shares:
    return Shares(said.append, clock)


def met(shares: Shares, *particles: str) -> None:
    for particle in particles:
        shares.meet(particle)


def test_each_particle_is_one_analysis_s_and_all_have_nearly_as_many(shares):
    for worker in ("here 1", "here 2", "here 3"):
        shares.begin(worker)
    met(shares, *"ABCDEFG")
    of = {worker: shares.of(worker) for worker in ("here 2", "here 3", "here 1")}
    assert sorted(p for own in of.values() for p in own) == list("ABCDEFG")
    assert {len(own) for own in of.values()} == {2, 3}
    met(shares, "B", "A")
    assert {worker: shares.of(worker) for worker in of} == of


def test_what_a_dead_one_had_goes_to_those_that_live(shares, said, clock):
    shares.begin("here 1")
    shares.hear("laptop")
    met(shares, *"ABCD")
    left = shares.of("laptop")
    assert len(left) == 2
    clock.now_s += UNHEARD_S - 1.0
    shares.hear("laptop")
    clock.now_s += UNHEARD_S - 1.0
    assert shares.of("laptop") == left
    clock.now_s += 2.0
    assert shares.of("here 1") == tuple("ABCD")
    assert [words for words in said if "laptop" in words] == [
        "an analysis on another computer joins: laptop",
        "the analysis on another computer, laptop, is not heard any more; others do its part",
    ]
    # It had only been away: as any that joins it gets some of what others have.
    shares.hear("laptop")
    assert (shares.of("here 1"), shares.of("laptop")) == (tuple("AB"), tuple("CD"))


def test_one_that_joins_gets_as_many_as_the_others_have(shares):
    shares.begin("here 1")
    met(shares, *"ABCDEF")
    assert shares.of("here 1") == tuple("ABCDEF")
    for worker in ("laptop", "tower"):
        shares.hear(worker)
        shares.hear(worker)
    had = {worker: shares.of(worker) for worker in ("here 1", "laptop", "tower")}
    assert sorted(p for own in had.values() for p in own) == list("ABCDEF")
    assert {len(own) for own in had.values()} == {2}


def test_a_single_particle_stays_where_it_is(shares):
    shares.begin("here 1")
    met(shares, "A")
    assert shares.of("here 1") == ("A",)
    shares.hear("laptop")
    assert (shares.of("here 1"), shares.of("laptop")) == (("A",), ())


def test_two_of_one_name_do_not_join(shares):
    shares.begin("here 1")
    shares.hear("laptop")
    shares.check_name("tower")
    for taken in ("here 1", "laptop"):
        with pytest.raises(ValueError, match="takes part already; give another --name"):
            shares.check_name(taken)
    for odd in ("", "x" * 101):
        with pytest.raises(ValueError, match="1 to 100 characters"):
            shares.check_name(odd)


def test_nobody_is_left_when_the_last_is_given_up(shares, clock):
    shares.begin("here 1")
    shares.hear("laptop")
    met(shares, "A")
    shares.end("here 1")
    assert shares.anybody
    assert shares.of("laptop") == ("A",)
    clock.now_s += UNHEARD_S + 1.0
    assert not shares.anybody
    # Whoever asks and was never heard of has nothing.
    assert shares.of("laptop") == ()


def test_how_far_all_have_diffused_is_told_in_the_order_of_first_series_and_never_gets_less(shares):
    met(shares, "B", "A", "C")
    shares.finish("A")
    shares.finish("B")
    assert shares.diffused("B", 1, b"B1") == (1, [b"B1"])
    assert shares.diffused("A", 3, b"A3") == (2, [b"A3", b"B1"])
    # An analysis that began anew knows less for a while.
    assert shares.diffused("A", 1, b"A1") == (2, [b"A3", b"B1"])
    assert shares.diffused("A", 3, b"A3 again") == (3, [b"A3 again", b"B1"])
    # Nobody has recorded it.
    assert shares.diffused("Z", 9, b"Z9") == (3, [b"A3 again", b"B1"])
