"""The example notebook runs from top to bottom, and comes without outputs."""

import ast
import json
from pathlib import Path

import numpy as np

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"


def cells():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def run(source: str, names: dict) -> object:
    """A cell's last value, as a notebook would show it."""
    tree = ast.parse(source)
    last = tree.body[-1]
    if not isinstance(last, ast.Expr):
        exec(compile(tree, str(NOTEBOOK), "exec"), names)
        return None
    exec(compile(ast.Module(tree.body[:-1], []), str(NOTEBOOK), "exec"), names)
    return eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)


def test_the_notebook_runs_and_finds_what_it_hid(figures, capsys):
    names: dict = {}
    for cell in cells():
        if cell["cell_type"] == "code":
            run("".join(cell["source"]), names)
    assert names["agreement"] > 0.9
    assert np.all(np.diff(names["cube_course"].degree) > 0.0)
    found, law = names["found"], names["law"]
    assert found.quality == "good"
    assert abs(found.value[0] - 3.4e-19) < 3.0 * found.std[0]
    edge = law.offsets_c["edge"]
    assert abs(edge.value + 34.0) < 3.0 * edge.std
    assert sorted(p.shape for p in names["particles"].particles) == ["rod", "round", "round", "round"]
    assert "agrees with the truth" in capsys.readouterr().out


def test_the_notebook_holds_no_outputs():
    for cell in cells():
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
