import itertools

import numpy as np

from controller.plan.visit_order import visit_order


def length(places, order) -> float:
    return float(sum(np.hypot(*np.subtract(places[a], places[b])) for a, b in itertools.pairwise(order)))


def test_a_few_targets_are_visited_by_the_shortest_way_of_all(rng):
    for _ in range(20):
        places = [tuple(p) for p in rng.uniform(-5e4, 5e4, (6, 2))]
        order = visit_order(places)
        assert order[0] == 0
        assert sorted(order) == list(range(6))
        best = min(length(places, [0, *way]) for way in itertools.permutations(range(1, 6)))
        assert length(places, order) <= best + 1e-6


def test_many_targets_on_a_line_are_visited_along_it(rng):
    shuffled = [0.0, *(1000.0 * (1 + rng.permutation(14)))]
    places = [(0.0, x) for x in shuffled]
    assert [shuffled[k] for k in visit_order(places)] == sorted(shuffled)


def test_one_target_needs_no_way():
    assert visit_order([(3.0, 4.0)]) == [0]
