"""All that can be held against a peer, in one run: ``make bench``. A table, JSON, and the same in docs/performance.md.

python -m benchmarks.bench [--short] [--only PART ...] [--json FILE] [--into FILE.md]
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import diffusion, edx, machine, outlines, reconstruction, screen, sessions, streaming
from benchmarks.row import HEAD, Row, write_json

_BEGIN, _END = "<!-- make bench: begin -->", "<!-- make bench: end -->"


def parts(about: dict[str, object]) -> dict[str, Callable[[bool], Iterator[Row]]]:
    """By their names, in the order in which they run."""
    rate = 1e9 * float(str(about["giga_multiply_adds_per_s"]))
    of_machine = {"multiply_adds_per_s": rate, "cores": int(str(about["cores"]))}
    return {
        "reconstruction": partial(reconstruction.rows, **of_machine),
        "diffusion": diffusion.rows,
        "streaming": streaming.rows,
        "outlines": outlines.rows,
        "components": edx.rows,
        "screen": screen.rows,
        "sessions": sessions.rows,
    }


def check_page(page: Path) -> None:
    """Before anything is measured."""
    text = page.read_text()
    if not 0 <= text.find(_BEGIN) < text.find(_END):
        raise SystemExit(f"{page}: asked to put a table between {_BEGIN} and {_END}, found no such lines; add them")


def put_into(page: Path, told: str) -> None:
    """In place of what an earlier run has put there."""
    before, _, rest = page.read_text().partition(_BEGIN)
    page.write_text(f"{before}{_BEGIN}\n{told}\n{_END}{rest.partition(_END)[2]}")


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--short", action="store_true", help="small sizes, to see that it works")
    reader.add_argument("--only", nargs="+", default=[], metavar="PART")
    reader.add_argument("--json", type=Path)
    reader.add_argument("--into", type=Path)
    asked = reader.parse_args()
    if asked.into is not None:
        if asked.short:
            raise SystemExit("--into: asked to keep a table of small sizes, which tells nothing; leave --short out")
        check_page(asked.into)
    began, about = time.perf_counter(), machine.described()
    rates = "{gb_per_s:.1f} GB/s to memory, {giga_multiply_adds_per_s:.0f}e9 multiply-adds a second".format_map(about)
    lines = [f"{time.strftime('%Y-%m-%d')}, {about['cores']} cores of {about['processor']}: {rates}.", "", HEAD]
    print("\n".join(lines))
    there, found, failed = parts(about), [], []
    if unknown := [name for name in asked.only if name not in there]:
        raise SystemExit(f"--only: asked for {', '.join(unknown)}; there are {', '.join(there)}")
    for name, rows in there.items():
        if asked.only and name not in asked.only:
            continue
        try:
            for row in rows(asked.short):
                if asked.short:  # bars are of full sizes
                    row = replace(row, bar="" if row.held is not None else row.bar, held=None)
                found.append(row)
                lines.append(str(row))
                print(row, flush=True)
        except Exception:  # noqa: BLE001  # the rest is measured all the same, and the run fails at its end
            traceback.print_exc()
            failed.append(name)
    left_out = ", ".join(name for name in there if asked.only and name not in asked.only)
    lines += ["", f"Left out of this run: {left_out}."] if left_out else []
    lines += ["", f"{len(found)} rows in {(time.perf_counter() - began) / 60.0:.0f} min."]
    if asked.json is not None:
        write_json(asked.json, found, about)
    if asked.into is not None and not failed:
        put_into(asked.into, "\n".join(lines))
    print(lines[-1])
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
