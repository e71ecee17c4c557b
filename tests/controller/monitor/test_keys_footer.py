"""The line of keys follows what may be done, and keeps nothing that it no longer shows."""

import gc

from textual.widgets._footer import FooterKey

from controller.monitor.keys_footer import KeysFooter
from tests.controller.monitor.test_sheets import in_sheet


def keys(app, _=None) -> set[str]:
    return {key.key for key in app.query(FooterKey)}


def alive(app, _=None) -> int:
    """Keys that this screen's footer still holds, shown or not."""
    footer = app.query_one(KeysFooter)
    gc.collect()
    held = (o for o in gc.get_objects() if isinstance(o, FooterKey))
    return sum(1 for key in held if key.app is app) - len(footer.query(FooterKey))


def test_each_sheet_has_its_keys(source):
    assert "z" in in_sheet(source, "1", keys)
    assert {"s", "c", "t"} <= in_sheet(source, "4", keys)
    assert not {"s", "c", "t"} & in_sheet(source, "1", keys, press=("4", "1"))


def test_keys_that_went_are_let_go(source):
    """A session of six hours turns sheets some thousand times."""
    few, many = (in_sheet(source, "1", alive, press=("4", "1") * times) for times in (2, 20))
    assert many <= few + 4
