"""An attacker who writes every published number of people as an equation finds no small group."""

import numpy as np
import pytest

from pellucid.fairness import group_metrics

FLOOR, PEOPLE = 10, 90


def people(seed, columns):
    rng = np.random.default_rng(seed)
    table = {}
    for name in "abcd"[:columns]:
        width = rng.integers(2, 4)
        table[name] = rng.choice([f"{name}{k}" for k in range(width)], PEOPLE, p=rng.dirichlet(np.full(width, 0.7)))
    return table


class Attacker:
    """Cells of the cross of all columns are the unknowns; every published number is an equation in them."""

    def __init__(self, table):
        rows = list(zip(*table.values(), strict=True))
        self.names, self.cells = list(table), sorted(set(rows))
        self.sizes = np.array([rows.count(cell) for cell in self.cells], dtype=float)
        self.known, self.secret = [np.ones(len(self.cells))], []

    def equation(self, wanted):
        inside = [all(cell[self.names.index(name)] == value for name, value in wanted.items()) for cell in self.cells]
        return np.array(inside, dtype=float)

    def read(self, found, within):
        for grouping, groups in found.sizes.items():
            for group, size in groups.items():
                parts = dict(zip(grouping.split(" × "), group.split(" × "), strict=True))
                row = self.equation({**within, **parts})
                if size is not None:
                    assert row @ self.sizes == size >= FLOOR
                (self.known if size is not None else self.secret).append(row)

    def solved(self):
        """Numbers of people of small groups that are combinations of published ones."""
        rank = np.linalg.matrix_rank(np.array(self.known))
        small = [row for row in self.secret if 0 < row @ self.sizes < FLOOR]
        return [row @ self.sizes for row in small if np.linalg.matrix_rank(np.array([*self.known, row])) == rank]


@pytest.mark.parametrize(
    ("sensitive", "control", "seeds"), [(2, 1, range(16, 46)), (3, 0, range(10)), (3, 1, range(10)), (1, 2, range(10))]
)
def test_no_small_group_can_be_solved_for(sensitive, control, seeds):
    strata = withheld = 0
    for seed in seeds:
        table = people(seed, sensitive + control)
        names = list(table)
        decided = np.random.default_rng(seed).integers(0, 2, (2, PEOPLE))
        found = group_metrics(
            *decided,
            sensitive_features={name: table[name] for name in names[:sensitive]},
            control_features={name: table[name] for name in names[sensitive:]} if control else None,
            favorable=1,
            floor=FLOOR,
        )
        attacker = Attacker(table)
        attacker.read(found, {})
        for stratum, part in found.by_control.items():
            within = dict(zip(names[sensitive:], stratum.split(" × "), strict=True))
            attacker.known.append(attacker.equation(within))
            attacker.read(part, within)
        assert attacker.solved() == [], seed
        strata, withheld = strata + len(found.by_control), withheld + len(attacker.secret)
    assert withheld > 20
    assert (strata > 5) == bool(control)
