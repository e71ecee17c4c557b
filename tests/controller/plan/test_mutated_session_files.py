"""Session files with something changed: refused in words, or a plan that a laboratory could run."""

import math
import random
import time
from pathlib import Path

import pytest

from controller.plan.check import checked_session
from controller.plan.dose import Dose
from controller.plan.steps import Plan
from controller.plan.timeline import timeline
from drivers.errors import ConfigError
from tests.torture.conftest import TORTURE

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.toml"))
ODD = [
    *("nan", "inf", "-inf", "-1", "0", "1e300", "1e-300", "9999999999999999999", "true", "1979-05-27"),
    *('""', '"/"', '"../../x"', '"a\\u0000b"', '"' + "x" * 300 + '"', "[]", "{}", "[1, 2, 3]", "[[1]]"),
]
EACH_S = 5.0


def mutated(rng: random.Random) -> bytes:
    """Values made odd, lines lost, doubled or cut, bytes changed."""
    lines = rng.choice(EXAMPLES).read_text().splitlines()
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(lines))
        line, how = lines[at], rng.random()
        if how < 0.6 and "=" in line:
            lines[at] = f"{line.split('=')[0]}= {rng.choice(ODD)}"
        elif how < 0.7:
            lines[at] = ""
        elif how < 0.8:
            lines.insert(at, rng.choice(lines))
        else:
            data = bytearray(line.encode() or b" ")
            data[rng.randrange(len(data))] = rng.randrange(256)
            lines[at] = data.decode("latin1") if how < 0.9 else line[: rng.randrange(len(line) + 1)]
    return "\n".join(lines).encode("utf-8" if rng.random() < 0.9 else "latin1", "replace")


@pytest.mark.parametrize("first", [0, pytest.param(400, marks=pytest.mark.slow)])
def test_it_is_refused_in_words_or_it_makes_sense(tmp_path, first):
    path, taken = tmp_path / "session.toml", 0
    for seed in range(first, first + (400 if first == 0 else round(3600 * TORTURE))):
        path.write_bytes(mutated(random.Random(seed)))
        began = time.monotonic()
        try:
            session = checked_session(path)
        except ConfigError:
            continue
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
        assert time.monotonic() - began < EACH_S, seed
        taken += 1
        assert list(timeline(session)), seed
        assert 0.0 < Plan(session).estimate_s() < 31 * 86400.0, seed
        assert all(math.isfinite(d) and d >= 0.0 for d in Dose(session).by_particle().values()), seed
        assert all((tmp_path / f"{p.name}.h5").parent == tmp_path for p in session.particles), seed
    assert taken > 20
