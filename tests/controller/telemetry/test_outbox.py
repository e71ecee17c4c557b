"""The bound is kept, readings go first, and the order stays, whatever is put, taken and put back."""

from hypothesis import given
from hypothesis import strategies as st

from controller.telemetry.outbox import Outbox
from controller.telemetry.topics import Outgoing

MOST = 10
ACTIONS = st.lists(st.tuples(st.sampled_from(["reading", "result", "send", "lose"]), st.integers(1, 8)), max_size=60)


def message(number: int, reading: bool) -> Outgoing:
    return Outgoing(f"t/{number}", b"", reading)


@given(ACTIONS)
def test_what_is_sent_is_in_order_and_what_is_not_is_counted(actions):
    outbox, put, sent = Outbox(MOST), 0, []
    for action, count in actions:
        if action in ("reading", "result"):
            outbox.put(message(put + n, action == "reading") for n in range(count))
            put += count
        else:
            taken = outbox.take(count)
            if action == "send":
                sent += [int(m.topic[2:]) for _, m in taken]
            else:
                outbox.put_back(taken)
        assert len(outbox) <= MOST
    rest = [int(m.topic[2:]) for _, m in outbox.take(MOST)]
    assert sent + rest == sorted(sent + rest)
    assert len(sent) + len(rest) + outbox.dropped_readings + outbox.dropped_others == put


def test_the_oldest_readings_go_first_and_nothing_else_while_there_are_any():
    outbox = Outbox(4)
    outbox.put([message(0, False), message(1, True), message(2, True), message(3, False)])
    outbox.put([message(4, False), message(5, True)])
    assert [m.topic for _, m in outbox.take(9)] == ["t/0", "t/3", "t/4", "t/5"]
    assert outbox.lost == "2 readings"
    outbox.put([message(0, True), message(1, False), message(2, True), message(3, False)])
    assert [m.topic for _, m in outbox.take(9, readings_last=True)] == ["t/1", "t/3", "t/0", "t/2"]
    outbox.put(message(n, False) for n in range(6))
    assert [m.topic for _, m in outbox.take(9)] == ["t/2", "t/3", "t/4", "t/5"]
    assert outbox.lost == "2 readings and 2 results, states or alarms"
