"""Slow definitions in exact rational arithmetic, to hold fast code against.

Floats are rationals, so a tree ensemble is a function over the rationals and its Shapley values are
rationals too. `shapley_by_enumeration` is the definition itself; `exact_path_dependent` and
`exact_interventional` sum over leaves and reach depths where 2 to the number of players does not.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import comb, factorial, lcm

import numpy as np

from pellucid._base.typing import Array, Float1, Float2, Int1
from pellucid.ir import TreeEnsemble

Vector = list[Fraction]
"""One rational per output."""
Game = Callable[[int], Vector]
"""From a coalition, as bits (player i is shown when bit i is set), to the outputs."""
Path = list[tuple[int, bool]]
"""Splits on the way to a leaf, and whether the way goes left there."""


@dataclass(frozen=True)
class Factor:
    """A player's part in reaching a leaf: whether it passes when shown, and its share when hidden."""

    hot: bool
    cold: Fraction


def shapley_by_enumeration(game: Game, players: int) -> list[Vector]:
    """Return the Shapley values of a game by its definition, over all 2**players coalitions.

    Parameters
    ----------
    game : callable
        Coalition as bits to a list of outputs.
    players : int

    Returns
    -------
    list of list of Fraction
        One list of outputs for each player.

    Examples
    --------
    >>> shapley_by_enumeration(lambda shown: [Fraction(int(shown == 0b11))], 2)
    [[Fraction(1, 2)], [Fraction(1, 2)]]
    """
    worth = [game(coalition) for coalition in range(2**players)]
    values = [[Fraction(0)] * len(worth[0]) for _ in range(players)]
    for coalition in range(2**players):
        size = coalition.bit_count()
        for player in range(players):
            if coalition >> player & 1:
                continue
            weight = Fraction(1, players * comb(players - 1, size))
            gain = zip(worth[coalition | 1 << player], worth[coalition], strict=True)
            values[player] = [v + weight * (w - o) for v, (w, o) in zip(values[player], gain, strict=True)]
    return values


def semivalue_by_enumeration(game: Game, players: int, weight: Callable[[int, int], Fraction]) -> list[Vector]:
    """Return a semivalue by its definition; ``weight(shown, hidden)`` is a coalition's share among the others.

    Examples
    --------
    >>> both = lambda shown: [Fraction(int(shown == 0b111))]
    >>> semivalue_by_enumeration(both, 3, banzhaf_weight)[0]
    [Fraction(1, 4)]
    """
    values = []
    for player in range(players):
        total: Vector | None = None
        for coalition in range(2**players):
            if coalition >> player & 1:
                continue
            size = coalition.bit_count()
            share = weight(size, players - 1 - size)
            gain = [share * (w - o) for w, o in zip(game(coalition | 1 << player), game(coalition), strict=True)]
            total = gain if total is None else [t + g for t, g in zip(total, gain, strict=True)]
        values.append(total or [])
    return values


def banzhaf_weight(shown: int, hidden: int) -> Fraction:
    """Return a coalition's share when all coalitions of the other players count alike."""
    return Fraction(1, 2 ** (shown + hidden))


def beta_weight(shown: int, hidden: int, a: int, b: int) -> Fraction:
    """Return a coalition's share in Beta(a, b)-Shapley (Kwon and Zou, 2022): B(shown + b, hidden + a) / B(a, b)."""
    return _beta(shown + b, hidden + a) / _beta(a, b)


def _beta(x: int, y: int) -> Fraction:
    return Fraction(factorial(x - 1) * factorial(y - 1), factorial(x + y - 1))


def interactions_by_enumeration(game: Game, players: int) -> list[list[Vector]]:
    """Return the Shapley interaction values by definition (Lundberg et al., 2020): lines add up to Shapley values.

    Examples
    --------
    >>> interactions_by_enumeration(lambda shown: [Fraction(int(shown == 0b11))], 2)
    [[[Fraction(0, 1)], [Fraction(1, 2)]], [[Fraction(1, 2)], [Fraction(0, 1)]]]
    """
    worth = [game(coalition) for coalition in range(2**players)]
    zero = [Fraction(0)] * len(worth[0])
    values = [[zero] * players for _ in range(players)]
    for i, j in combinations(range(players), 2):
        pair = 1 << i | 1 << j
        for rest in (c for c in range(2**players) if not c & pair):
            size = rest.bit_count()
            half = Fraction(factorial(size) * factorial(players - size - 2), 2 * factorial(players - 1))
            corners = zip(worth[rest | pair], worth[rest | 1 << i], worth[rest | 1 << j], worth[rest], strict=True)
            gains = [half * (both - one - other + none) for both, one, other, none in corners]
            values[i][j] = [v + g for v, g in zip(values[i][j], gains, strict=True)]
        values[j][i] = values[i][j]
    for i, value in enumerate(shapley_by_enumeration(game, players)):
        values[i][i] = [v - sum(line) for v, line in zip(value, zip(*values[i], strict=True), strict=True)]
    return values


def exact_interactions(
    trees: TreeEnsemble, groups: Int1, n_features: int, row: Float1, background: Float2 | None = None
) -> list[list[Vector]]:
    """Return the interaction values leaf by leaf; against background rows, else path-dependent.

    In a leaf's product game a pair earns ``v (o_i - z_i) (o_j - z_j) ∫ Π_{k≠i,j} (t o_k + (1 - t) z_k) dt``,
    half of it in each of its two places. A background row's cold shares are 0 or 1.
    """
    values = [[[Fraction(0)] * trees.n_outputs for _ in range(n_features)] for _ in range(n_features)]
    goes_left, share = _routes(trees, row), _left_shares(trees)
    others = [None] if background is None else [_routes(trees, other) for other in background]
    for tree in range(trees.n_trees):
        for leaf, path in paths(trees, tree):
            for routes in others:
                if routes is None:
                    factors = _path_dependent_factors(trees, groups, goes_left, share, path)
                else:
                    hot, cold = _passes(trees, groups, goes_left, path), _passes(trees, groups, routes, path)
                    factors = {player: Factor(hot[player], Fraction(int(cold[player]))) for player in hot}
                _add_pairs(values, trees, tree, leaf, factors, share=Fraction(1, len(others)))
    return values


def _add_pairs(
    to: list[list[Vector]], trees: TreeEnsemble, tree: int, leaf: int, factors: dict[int, Factor], *, share: Fraction
) -> None:
    gap = {player: int(factor.hot) - factor.cold for player, factor in factors.items()}
    for i in factors:
        if gap[i]:
            _add(to[i][i], trees, tree, leaf, share * gap[i] * integral([f for k, f in factors.items() if k != i]))
        for j in factors:
            if i < j and gap[i] and gap[j]:
                rest = [factor for key, factor in factors.items() if key not in (i, j)]
                half = share * gap[i] * gap[j] * integral(rest) / 2
                for first, second in ((i, j), (j, i)):
                    _add(to[first][second], trees, tree, leaf, half)
                    _add(to[first][first], trees, tree, leaf, -half)


def path_dependent_game(trees: TreeEnsemble, groups: Int1, row: Float1) -> Game:
    """Return the game in which the splits of hidden players are averaged by training cover."""

    def game(coalition: int) -> Vector:
        def expected(node: int) -> Vector:
            if trees.feature[node] < 0:
                return rationals(trees.value[node])
            left, right = int(trees.left[node]), int(trees.right[node])
            if coalition >> int(groups[trees.feature[node]]) & 1:
                return expected(left if row_goes_left(trees, node, row) else right)
            share = left_share(trees, node)
            return [share * a + (1 - share) * b for a, b in zip(expected(left), expected(right), strict=True)]

        return _summed(trees, lambda tree: expected(int(trees.roots[tree])))

    return game


def interventional_game(trees: TreeEnsemble, groups: Int1, row: Float1, background: Float2) -> Game:
    """Return the game in which the columns of hidden players take a background row's values (mean over rows)."""

    def game(coalition: int) -> Vector:
        shown = np.array([coalition >> int(player) & 1 for player in groups], dtype=bool)
        total = [Fraction(0)] * trees.n_outputs
        for other in background:
            mixed = np.where(shown, row, other)
            outputs = _summed(trees, lambda tree, mixed=mixed: rationals(trees.value[leaf_of(trees, tree, mixed)]))  # type: ignore[misc]
            total = [t + o for t, o in zip(total, outputs, strict=True)]
        return [t / len(background) for t in total]

    return game


def exact_path_dependent(
    trees: TreeEnsemble, groups: Int1, n_features: int, row: Float1
) -> tuple[list[Vector], Vector]:
    """Return values and base of the path-dependent game, leaf by leaf.

    A leaf with value v is a product game: with hot flags o and cold shares z of the players on its
    path, player i earns ``v (o_i - z_i) ∫ Π_{j≠i} (t o_j + (1 - t) z_j) dt`` over [0, 1], a polynomial
    integrated exactly over a common denominator.
    """
    values = [[Fraction(0)] * trees.n_outputs for _ in range(n_features)]
    base = rationals(trees.base)
    goes_left, share = _routes(trees, row), _left_shares(trees)
    for tree in range(trees.n_trees):
        for leaf, path in paths(trees, tree):
            factors = _path_dependent_factors(trees, groups, goes_left, share, path)
            probability = Fraction(1)
            for factor in factors.values():
                probability *= factor.cold
            _add(base, trees, tree, leaf, probability)
            for player, factor in factors.items():
                rest = [other for key, other in factors.items() if key != player]
                weight = (int(factor.hot) - factor.cold) * integral(rest) if factor.hot != factor.cold else Fraction(0)
                _add(values[player], trees, tree, leaf, weight)
    return values, base


def exact_interventional(
    trees: TreeEnsemble, groups: Int1, n_features: int, row: Float1, background: Float2
) -> tuple[list[Vector], Vector]:
    """Return values and base of the interventional game, leaf by leaf and background row by background row.

    With a players whose splits pass only the explained row and b whose splits pass only the background
    row, each of the former earns ``v (a-1)! b! / (a+b)!`` and each of the latter ``-v a! (b-1)! / (a+b)!``.
    """
    values = [[Fraction(0)] * trees.n_outputs for _ in range(n_features)]
    base = rationals(trees.base)
    share = Fraction(1, len(background))
    my_routes, their_routes = _routes(trees, row), [_routes(trees, other) for other in background]
    for tree in range(trees.n_trees):
        for leaf, path in paths(trees, tree):
            mine = _passes(trees, groups, my_routes, path)
            for routes in their_routes:
                theirs = _passes(trees, groups, routes, path)
                if all(theirs.values()):
                    _add(base, trees, tree, leaf, share)
                only_mine = [player for player in mine if mine[player] and not theirs[player]]
                only_theirs = [player for player in mine if theirs[player] and not mine[player]]
                if any(not mine[player] and not theirs[player] for player in mine):
                    continue
                a, b = len(only_mine), len(only_theirs)
                for player in only_mine:
                    weight = Fraction(factorial(a - 1) * factorial(b), factorial(a + b))
                    _add(values[player], trees, tree, leaf, weight * share)
                for player in only_theirs:
                    weight = Fraction(factorial(a) * factorial(b - 1), factorial(a + b))
                    _add(values[player], trees, tree, leaf, -weight * share)
    return values, base


def integral(factors: Sequence[Factor]) -> Fraction:
    """Return ``∫ Π (t hot + (1 - t) cold) dt`` over [0, 1] exactly.

    Examples
    --------
    >>> integral([Factor(True, Fraction(0)), Factor(False, Fraction(1))])
    Fraction(1, 6)
    """
    coefficients, denominator = [1], 1
    for factor in factors:
        coefficients = _times(coefficients, factor)
        denominator *= factor.cold.denominator
    return _integrated(coefficients, denominator)


def exact_chain(shares: Sequence[Fraction], stays: Sequence[bool], leaves: Sequence[Fraction]) -> list[Fraction]:
    """Return the path-dependent values of a chain in which every split has a player of its own.

    Split k lets the share ``shares[k]`` of the training weight go on to split k + 1 and sends the rest to
    ``leaves[k]``; the last split goes on to ``leaves[-1]``. The row goes on at k when ``stays[k]``.
    Sums over the leaves below each split share their polynomials, so a depth of 1,000 takes seconds.
    """
    depth = len(shares)
    on = [Factor(stay, share) for stay, share in zip(stays, shares, strict=True)]
    off = [Factor(not stay, 1 - share) for stay, share in zip(stays, shares, strict=True)]
    before = [[1]]
    for factor in on:
        before.append(_times(before[-1], factor))
    # Integers over one denominator: the leaves', times that of every split (rest[k]: from split k on).
    leaf_denominator = lcm(*(leaf.denominator for leaf in leaves))
    worth = [int(leaf * leaf_denominator) for leaf in leaves]
    rest = [1]
    for share in reversed(shares):
        rest.insert(0, rest[0] * share.denominator)
    denominator = leaf_denominator * rest[0]
    values = []
    below = [worth[depth] * coefficient for coefficient in before[depth]]
    for k in reversed(range(depth)):
        gain = (int(on[k].hot) - on[k].cold) * shares[k].denominator * _integrated(_over(below, on[k]), denominator)
        leaving = (int(off[k].hot) - off[k].cold) * shares[k].denominator * worth[k]
        values.append(gain + leaving * rest[k + 1] * _integrated(before[k], denominator))
        for m, coefficient in enumerate(_times(before[k], off[k])):
            below[m] += worth[k] * rest[k + 1] * coefficient
    return values[::-1]


def relative_error(trees: TreeEnsemble, values: Float2, base: Float1, exact: tuple[list[Vector], Vector]) -> float:
    """Return the largest error of one row's values and of the base, over the ensemble's Σ|leaf|.

    Parameters
    ----------
    trees : TreeEnsemble
    values : float64 array of shape (features, outputs)
    base : float64 array of shape (outputs,)
    exact : pair
        What an oracle returned.
    """
    found = [*values.tolist(), base.tolist()]
    pairs = zip(found, [*exact[0], exact[1]], strict=True)
    errors = [abs(Fraction(f) - e) for fs, es in pairs for f, e in zip(fs, es, strict=True)]
    scale = sum(map(abs, rationals(trees.value[trees.is_leaf].ravel())), Fraction(0))
    return float(max(errors) / scale) if scale else float(max(errors))


def left_share(trees: TreeEnsemble, node: int) -> Fraction:
    """Return the exact share of the training weight that goes left; a half when no weight came."""
    left, right = Fraction(trees.cover[trees.left[node]]), Fraction(trees.cover[trees.right[node]])
    return left / (left + right) if left + right else Fraction(1, 2)


def row_goes_left(trees: TreeEnsemble, node: int, row: Float1) -> bool:
    """Whether a row goes left at a node, read from the documentation of `TreeEnsemble`."""
    with np.errstate(over="ignore"):
        x = float(np.dtype(trees.input_dtype).type(row[trees.feature[node]]))
    if np.isnan(x):
        return bool(trees.missing_left[node])
    if trees.bits is not None and trees.bits_begin[node] >= 0:  # type: ignore[index]
        return _is_member(trees, node, x)
    threshold = float(trees.threshold[node])
    return x <= threshold if trees.less_equal else x < threshold


def _is_member(trees: TreeEnsemble, node: int, x: float) -> bool:
    """Whether a category is in the set of a categorical split; outside the set's words goes by `other_left`."""
    begin, words = int(trees.bits_begin[node]), int(trees.bits_words[node])  # type: ignore[index]
    members = {32 * i + bit for i in range(words) for bit in range(32) if int(trees.bits[begin + i]) >> bit & 1}  # type: ignore[index]
    if not -1 < x < 32 * words:
        return bool(trees.other_left[node])  # type: ignore[index]
    return int(x) in members


def leaf_of(trees: TreeEnsemble, tree: int, row: Float1) -> int:
    """Return the leaf that a row reaches."""
    node = int(trees.roots[tree])
    while trees.feature[node] >= 0:
        node = int(trees.left[node] if row_goes_left(trees, node, row) else trees.right[node])
    return node


def paths(trees: TreeEnsemble, tree: int) -> Iterator[tuple[int, Path]]:
    """Yield each leaf of a tree with the splits above it."""
    open_nodes: list[tuple[int, Path]] = [(int(trees.roots[tree]), [])]
    while open_nodes:
        node, path = open_nodes.pop()
        if trees.feature[node] < 0:
            yield node, path
        else:
            open_nodes.append((int(trees.left[node]), [*path, (node, True)]))
            open_nodes.append((int(trees.right[node]), [*path, (node, False)]))


def rationals(values: Array) -> Vector:
    """Return floats as the rationals they are."""
    return [Fraction(float(value)) for value in values]


def _summed(trees: TreeEnsemble, outputs_of: Callable[[int], Vector]) -> Vector:
    total = rationals(trees.base)
    for tree in range(trees.n_trees):
        for k, value in enumerate(outputs_of(tree), start=int(trees.output[tree])):
            total[k] += value
    return total


def _add(to: Vector, trees: TreeEnsemble, tree: int, leaf: int, weight: Fraction) -> None:
    for k, value in enumerate(trees.value[leaf], start=int(trees.output[tree])):
        to[k] += weight * Fraction(float(value))


def _inner(trees: TreeEnsemble) -> list[int]:
    return [int(node) for node in np.flatnonzero(~trees.is_leaf)]


def _routes(trees: TreeEnsemble, row: Float1) -> dict[int, bool]:
    return {node: row_goes_left(trees, node, row) for node in _inner(trees)}


def _left_shares(trees: TreeEnsemble) -> dict[int, Fraction]:
    return {node: left_share(trees, node) for node in _inner(trees)}


def _passes(trees: TreeEnsemble, groups: Int1, goes_left: dict[int, bool], path: Path) -> dict[int, bool]:
    passes: dict[int, bool] = {}
    for node, left in path:
        player = int(groups[trees.feature[node]])
        passes[player] = passes.get(player, True) and goes_left[node] == left
    return passes


def _path_dependent_factors(
    trees: TreeEnsemble, groups: Int1, goes_left: dict[int, bool], shares: dict[int, Fraction], path: Path
) -> dict[int, Factor]:
    cold: dict[int, Fraction] = {}
    for node, left in path:
        player = int(groups[trees.feature[node]])
        cold[player] = cold.get(player, Fraction(1)) * (shares[node] if left else 1 - shares[node])
    hot = _passes(trees, groups, goes_left, path)
    return {player: Factor(hot[player], cold[player]) for player in cold}


def _times(coefficients: list[int], factor: Factor) -> list[int]:
    """Return integer coefficients of the polynomial times ``n + t (hot d - n)``, for a cold share n / d."""
    n, d = factor.cold.numerator, factor.cold.denominator
    slope = (d if factor.hot else 0) - n
    rising = [0, *coefficients]
    return [n * low + slope * high for low, high in zip([*coefficients, 0], rising, strict=True)]


def _over(coefficients: list[int], factor: Factor) -> list[int]:
    """Divide by ``n + t (hot d - n)``, a factor of the polynomial, for a cold share n / d above zero."""
    n, d = factor.cold.numerator, factor.cold.denominator
    slope = (d if factor.hot else 0) - n
    quotient = [coefficients[0] // n]
    for coefficient in coefficients[1:-1]:
        quotient.append((coefficient - slope * quotient[-1]) // n)
    return quotient


def _integrated(coefficients: list[int], denominator: int) -> Fraction:
    common = lcm(*range(1, len(coefficients) + 1))
    return Fraction(sum(c * (common // (m + 1)) for m, c in enumerate(coefficients)), common * denominator)
