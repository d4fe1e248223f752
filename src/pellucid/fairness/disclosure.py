"""Which groups' figures must not be shown, so that nobody can work out those of a small group."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from pellucid._base.typing import Float2, Names
from pellucid.fairness.groups import Grouping, crossed

DETERMINED = 1e-9


def shown_groups(grouping: Grouping, floor: int) -> Names:
    """Return the groups whose figures may be shown."""
    withheld = withheld_groups(grouping, floor)
    return tuple(label for label in grouping.labels if label not in withheld)


def withheld_groups(grouping: Grouping, floor: int) -> frozenset[str]:
    """Find the groups whose figures must not be shown.

    A group below `floor` rows is withheld, and then the next smallest, until the withheld ones are at least two and
    together have at least `floor` rows: otherwise the total minus the others would give the small group away. In an
    intersection the same holds within every value of every single column, whose totals are shown too, and nothing is
    shown of a value that is itself withheld. Last, no number of a small group may be a linear combination of shown
    ones: whoever solves all the tables together as equations finds none of them.
    """
    return withheld_cells(grouping, floor, None)[0]


def withheld_together(groupings: Sequence[Grouping], floor: int) -> dict[str, frozenset[str]]:
    """Find the groups to withhold when single columns and their intersection (the last one) are shown together.

    Where the totals of single columns alone would give a small group of the intersection away, the smallest of
    those totals are withheld too, first of those that count the small group itself.
    """
    *alone, both = groupings
    hidden = [set(withheld_groups(each, floor)) for each in alone]
    cells, exposed = withheld_cells(both, floor, hidden if alone else None)
    while exposed and alone:
        touched = {part for label, part in zip(both.labels, both.parts, strict=True) if label in exposed}
        values = [
            (all(part[place] != value for part in touched), each.sizes()[value], place, value)
            for place, each in enumerate(alone)
            for value in each.labels
            if value not in hidden[place]
        ]
        if not values:
            break
        *_, place, value = min(values)
        each = alone[place]
        hidden[place] = _hide(each.sizes(), hidden[place] | {value}, [each.labels], floor)
        cells, exposed = withheld_cells(both, floor, hidden)
    return {**{each.name: frozenset(found) for each, found in zip(alone, hidden, strict=True)}, both.name: cells}


def withheld_in_strata(
    groupings: Sequence[Grouping], control: Grouping, withheld: Mapping[str, Collection[str]], floor: int
) -> dict[str, frozenset[Names]] | None:
    """Find the (stratum, group) pairs to withhold when all groupings are shown in all rows and within strata.

    None where the strata's own totals would give a small cell away.

    Parameters
    ----------
    groupings : sequence of Grouping
        Each column alone, then their intersection.
    control : Grouping
        The strata.
    withheld : mapping of grouping to collection of groups
        What is withheld where all rows are shown together.
    floor : int

    Notes
    -----
    The smallest cell in a stratum that gives a small one away is withheld until none does.
    """
    few = withheld_groups(control, floor)
    tables = [crossed(control, each) for each in groupings]
    hidden = [
        set(withheld_cells(table, floor, (few, withheld[each.name]))[0])
        for table, each in zip(tables, groupings, strict=True)
    ]
    cells = tables[-1]
    outside = [(each, withheld[each.name]) for each in groupings] + [(control, few)]
    members = [_members(table, cells) for table in tables]
    around = [_members(each, cells) for each, _ in outside]
    totals = [cells.labels]
    totals += [found[label] for found, (each, gone) in zip(around, outside, strict=True) for label in each.labels
               if label not in gone]  # fmt: skip
    sizes = [table.sizes() for table in tables]
    small = [members[i][label] for i, own in enumerate(sizes) for label, size in own.items() if size < floor]
    small += [found[label] for found, (each, _) in zip(around, outside, strict=True)
              for label, size in each.sizes().items() if size < floor]  # fmt: skip
    strata = [{label: part[0] for label, part in zip(each.labels, each.parts, strict=True)} for each in tables]
    while True:
        shown = [(own[label], i, label) for i, own in enumerate(sizes) for label in own if label not in hidden[i]]
        exposed = _solved(hidden[-1], [*totals, *(members[i][label] for _, i, label in shown)], small)
        if not exposed or not shown:
            break
        touched = {strata[-1][label] for label in exposed}
        _, i, label = min([each for each in shown if strata[each[1]][each[2]] in touched] or shown)
        hidden[i].add(label)
    if exposed:
        return None
    return {
        each.name: frozenset(part for label, part in zip(table.labels, table.parts, strict=True) if label in gone)
        for each, table, gone in zip(groupings, tables, hidden, strict=True)
    }


def _members(coarse: Grouping, fine: Grouping) -> dict[str, Names]:
    """For each group: the groups of a finer grouping of the same rows that it is made of."""
    found: dict[str, list[str]] = {label: [] for label in coarse.labels}
    for code, part in sorted(set(zip(coarse.codes.tolist(), fine.codes.tolist(), strict=True))):
        found[coarse.labels[code]].append(fine.labels[part])
    return {label: tuple(parts) for label, parts in found.items()}


def withheld_cells(
    grouping: Grouping, floor: int, concealed: Sequence[Collection[str]] | None
) -> tuple[frozenset[str], frozenset[str]]:
    """Find the groups to withhold, and those small ones that the totals alone would still give away.

    Parameters
    ----------
    grouping : Grouping
    floor : int
    concealed : sequence of collections of str or None
        For each column of an intersection the values that are withheld where the column is shown alone; found by the
        rule for one column when it is None.
    """
    sizes = grouping.sizes()
    totals, secret = [grouping.labels], list[Names]()
    if len(grouping.columns) > 1:
        by_value = _by_value(grouping)
        known = concealed or [_concealed(members_of, sizes, floor) for members_of in by_value]
        for members_of, alone in zip(by_value, known, strict=True):
            secret += [members for value, members in members_of.items() if value in alone]
            totals += [members for value, members in members_of.items() if value not in alone]
    hidden = _hide(sizes, {label for members in secret for label in members}, totals, floor)
    small: list[Names] = [(label,) for label, size in sizes.items() if size < floor]
    small += [members for members in secret if sum(sizes[label] for label in members) < floor]
    exposed = _solved(hidden, totals, small)
    while exposed and (shown := set(sizes) - hidden):
        beside = {label for members in totals if exposed & set(members) for label in members} & shown
        hidden = _hide(sizes, hidden | {min(beside or shown, key=lambda label: (sizes[label], label))}, totals, floor)
        exposed = _solved(hidden, totals, small)
    return frozenset(hidden), frozenset(exposed)


def _concealed(members_of: Mapping[str, Names], sizes: Mapping[str, int], floor: int) -> set[str]:
    whole = {value: sum(sizes[label] for label in members) for value, members in members_of.items()}
    return _hide(whole, set(), [tuple(whole)], floor)


def _by_value(grouping: Grouping) -> list[dict[str, Names]]:
    """For each column of an intersection: its values, and the groups that have them."""
    found: list[dict[str, Names]] = []
    for position in range(len(grouping.columns)):
        members: dict[str, list[str]] = {}
        for label, part in zip(grouping.labels, grouping.parts, strict=True):
            members.setdefault(part[position], []).append(label)
        found.append({value: tuple(labels) for value, labels in members.items()})
    return found


def _hide(sizes: Mapping[str, int], hidden: set[str], totals: Sequence[Names], floor: int) -> set[str]:
    """Add groups to `hidden` until no total minus its shown groups leaves fewer than two groups or `floor` rows."""
    hidden = hidden | {label for label, size in sizes.items() if size < floor}
    changed = bool(hidden)
    while changed:
        changed = False
        for members in totals:
            inside = hidden & set(members)
            others = [label for label in members if label not in hidden]
            exposed = inside and (len(inside) == 1 or sum(sizes[label] for label in inside) < floor)
            if exposed and others:
                hidden.add(min(others, key=lambda label: (sizes[label], label)))
                changed = True
    return hidden


def _solved(hidden: set[str], totals: Sequence[Names], small: Sequence[Names]) -> set[str]:
    """Return the groups of those sums (of withheld groups) that are a combination of the shown numbers.

    What remains of each total when its shown groups are taken away is one equation in the withheld groups. A sum is
    fixed when its coefficients lie in the span of the equations: their projection on it has the same length.
    """
    order = sorted(hidden)
    position = {label: i for i, label in enumerate(order)}
    equations = np.zeros((len(totals), len(order)))
    for row, members in zip(equations, totals, strict=True):
        row[[position[label] for label in members if label in hidden]] = 1.0
    equations = equations[equations.any(axis=1)]
    if not equations.size:
        return set()
    span, fixed = _basis(equations), set[str]()
    for members in small:
        projection = span[:, [position[label] for label in members]].sum(axis=1)
        if len(members) < len(totals[0]) and (projection**2).sum() > (1 - DETERMINED) * len(members):
            fixed.update(members)
    return fixed


def _basis(equations: Float2) -> Float2:
    """Orthonormal rows that span the equations."""
    _, values, rows = np.linalg.svd(equations, full_matrices=False)
    return np.asarray(rows[values > DETERMINED * max(1.0, values[0])]) if len(values) else rows
