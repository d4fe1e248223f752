"""What every estimator of Shapley values shares: nested designs, rows in batches, stopping row by row.

An estimator says, for a number of players, which coalitions are evaluated and how their values
become Shapley values and standard errors. All rows with that many relevant players share the
design, so it is drawn and factorised once; nothing in it depends on the explained rows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

import numpy as np

from pellucid._base.parallel import map_ordered, thread_count
from pellucid._base.progress import track
from pellucid._base.typing import Bool1, Bool2, Float1, Float2, Int1
from pellucid.explainers.base import Attribution, Question
from pellucid.explanation import Evaluations
from pellucid.games import RowGames

Item = TypeVar("Item")
Result = TypeVar("Result")
_Known: TypeAlias = dict[int, list[Float2]]

BATCH_ROWS = 1 << 20
"""Model rows that are worth a batch of their own."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """Shapley values of one game, of shape (players, outputs), and their standard errors.

    `methods` names the estimator of each output where a plan chooses between several.
    """

    values: Float2
    std_error: Float2
    methods: tuple[str, ...] = ()

    def take(self, first: int, count: int) -> "Estimate":
        """Return so many outputs from the first on."""
        some = slice(first, first + count)
        return Estimate(self.values[:, some], self.std_error[:, some], self.methods[some])


class Plan(Protocol):
    """Coalitions for one number of players in nested levels, and the solver that belongs to them."""

    @property
    def n_coalitions(self) -> tuple[int, ...]:
        """Coalitions known at each level, the empty and the full one included."""
        ...

    @property
    def exact(self) -> bool:
        """Whether the last level has no error."""
        ...

    @property
    def together(self) -> bool:
        """Whether several rows may be solved as if they were outputs of one: no bit of an output depends on others."""
        ...

    @property
    def rounding_terms(self) -> int:
        """Roundings of a coalition's value that a sum of Shapley values can add up to."""
        ...

    def blocks(self, level: int) -> Iterator[Bool2]:
        """Yield the coalitions (coalitions, players) that this level adds to the one before, in blocks."""
        ...

    def solve(self, level: int, values: Float2, empty: Float1, full: Float1) -> Estimate:
        """Estimate from the values (coalitions, outputs) of all blocks up to this level, in their order."""
        ...


@dataclass(frozen=True, eq=False)
class Fork:
    """Plans that begin alike: a row is asked for the first level's coalitions, and their values take its plan.

    Parameters
    ----------
    plans : sequence of Plan
        With the same first level and the same number of coalitions at each.
    take : callable
        From the values (coalitions, outputs) of the first level to the position of the row's plan.
    """

    plans: Sequence[Plan]
    take: Callable[[Float2], int]

    @property
    def n_coalitions(self) -> tuple[int, ...]:
        """Coalitions known at each level."""
        return self.plans[0].n_coalitions

    @property
    def exact(self) -> bool:
        """Whether the last level has no error."""
        return self.plans[0].exact


@dataclass(frozen=True, eq=False)
class _Solved:
    row: int
    estimate: Estimate
    coalitions: int
    rounding: float


def estimate_rows(
    question: Question, games: RowGames, plan_for: Callable[[Bool1], Plan | Fork], *, prepared: int = 0
) -> Attribution:
    """Estimate the Shapley values of every row.

    Parameters
    ----------
    question : Question
        Tolerance, threads and progress.
    games : RowGames
    plan_for : callable
        Which players are relevant to the plan for them.
    prepared : int
        Model rows spent before, on what all rows share.
    """
    plans: list[Plan | Fork] = []
    members: list[Bool1] = []
    for pattern in np.unique(games.relevant, axis=0):
        if not pattern.any():
            continue
        plan, rows = plan_for(pattern), np.all(games.relevant == pattern, axis=1)
        if not any(plan is known for known in plans):
            plans.append(plan)
            members.append(np.zeros(len(rows), dtype=bool))
        members[next(i for i, known in enumerate(plans) if plan is known)] |= rows
    batches = [
        (plan, rows) for plan, inside in zip(plans, members, strict=True)
        for rows in _batches(np.flatnonzero(inside), plan, games)
    ]  # fmt: skip

    def work(batch: tuple[Plan | Fork, Int1]) -> tuple[list[_Solved], int]:
        return _estimate_batch(*batch, games, question.tol)

    done = watched_map(work, batches, question)
    cost = prepared + sum(spent for _, spent in done)
    return _collect(question, games, plans, [s for solved, _ in done for s in solved], cost)


def by_count(plan_for: Callable[[int], Plan]) -> Callable[[Bool1], Plan]:
    """Make plans, each once, that depend on nothing but the number of players."""
    made: dict[int, Plan] = {}

    def plan(relevant: Bool1) -> Plan:
        n = int(relevant.sum())
        if n not in made:
            made[n] = plan_for(n)
        return made[n]

    return plan


def watched_map(work: Callable[[Item], Result], items: Sequence[Item], question: Question) -> list[Result]:
    """Apply `work` to every item in the question's threads, and report what is done."""
    threads = thread_count(question.n_jobs)
    wave = 1 if threads == 1 else 4 * threads
    waves = [items[first : first + wave] for first in range(0, len(items), wave)]
    watched = track(waves, task="explaining", total=len(waves), progress=question.progress)
    return [result for some in watched for result in map_ordered(work, some, question.n_jobs)]


def _batches(rows: Int1, plan: Plan | Fork, games: RowGames) -> Iterator[Int1]:
    """Rows that are cheap enough to share predict calls."""
    size = max(1, BATCH_ROWS // (plan.n_coalitions[-1] * games.cost_of_one))
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


def _estimate_batch(plan: Plan | Fork, rows: Int1, games: RowGames, tol: float | None) -> tuple[list[_Solved], int]:
    """Climb the plan, or begin together and let each row climb the plan it takes."""
    known: _Known = {row: [] for row in rows.tolist()}
    if not isinstance(plan, Fork):
        return _climb(plan, 0, known, games, tol)
    cost = _evaluate(plan.plans[0], 0, known, games)
    taken = {row: plan.take(np.concatenate(values)) for row, values in known.items()}
    solved: list[_Solved] = []
    for position in sorted(set(taken.values())):
        group = {row: known[row] for row, one in taken.items() if one == position}
        done, spent = _climb(plan.plans[position], 1, group, games, tol)
        solved, cost = solved + done, cost + spent
    return solved, cost


def _evaluate(plan: Plan, level: int, known: _Known, games: RowGames) -> int:
    """Add a level's values to what is known of each row; returns the model rows spent."""
    cost = 0
    for block in plan.blocks(level):
        values, spent = games.evaluate([(row, block) for row in known])
        cost += spent
        for row, new in zip(known, values, strict=True):
            known[row].append(new)
    return cost


def _climb(plan: Plan, first: int, known: _Known, games: RowGames, tol: float | None) -> tuple[list[_Solved], int]:
    """Climb the plan's levels from the first on; without a tolerance only the last is solved."""
    solved, cost = [], 0
    before: dict[int, Float2] = {}
    last = len(plan.n_coalitions) - 1
    for level, coalitions in list(enumerate(plan.n_coalitions))[first:]:
        cost += _evaluate(plan, level, known, games)
        if tol is None and level < last:
            continue
        for row, estimate in _solve(plan, level, known, games):
            if level == last or (tol is not None and _may_stop(estimate, before.get(row), tol)):
                solved.append(_Solved(row, estimate, coalitions, plan.rounding_terms * _largest(known[row])))
                del known[row]
            before[row] = estimate.values
    return solved, cost


def _solve(plan: Plan, level: int, known: _Known, games: RowGames) -> list[tuple[int, Estimate]]:
    """Estimate every row from what is known of it."""
    rows, outputs = list(known), games.full.shape[1]
    parts = [rows] if plan.together and rows else [[row] for row in rows]
    found = []
    for some in parts:
        values = np.concatenate([np.concatenate(known[row]) for row in some], axis=1)
        estimate = plan.solve(level, values, games.empty[some].ravel(), games.full[some].ravel())
        found += [(row, estimate.take(outputs * k, outputs)) for k, row in enumerate(some)]
    return found


def _may_stop(estimate: Estimate, before: Float2 | None, tol: float) -> bool:
    """Whether the intervals are narrow enough, and the level before agrees: narrow intervals may be so by chance."""
    if before is None or _half_width(estimate) > tol:
        return False
    return bool(np.abs(estimate.values - before).max(initial=0.0) <= tol)


def _largest(values: list[Float2]) -> float:
    return max((float(np.abs(block).max(initial=0.0)) for block in values), default=0.0)


def _half_width(estimate: Estimate) -> float:
    """Half the widest of intervals that hold all values of a game at once in 95 % (Šidák, 1967)."""
    from scipy.special import ndtri  # a third party, loaded only where games are sampled

    quantile = ndtri((1.0 + 0.95 ** (1.0 / max(1, estimate.values.size))) / 2.0)
    return float(quantile * estimate.std_error.max(initial=0.0))


def _collect(
    question: Question, games: RowGames, plans: Sequence[Plan | Fork], solved: list[_Solved], cost: int
) -> Attribution:
    rows, players = games.relevant.shape
    values = np.zeros((rows, players, games.full.shape[1]))
    std_error = np.zeros_like(values)
    for one in solved:
        values[one.row, games.relevant[one.row]] = one.estimate.values
        std_error[one.row, games.relevant[one.row]] = one.estimate.std_error
    exact = all(plan.exact for plan in plans)
    return Attribution(
        values=values,
        base_values=games.empty,
        std_error=None if exact else std_error,
        bound=rounding_bound(games, max((one.rounding for one in solved), default=0.0)),
        evaluations=Evaluations(
            coalitions=max((one.coalitions for one in solved), default=0), model_rows=cost + games.fixed_cost
        ),
        warnings=_tolerance_warnings(question.tol, solved),
        background=games.background_in_words,
        reason=_chosen([method for one in solved for method in one.estimate.methods]),
    )


def _chosen(methods: list[str]) -> str:
    """Which estimators gave the answers, most frequent first."""
    counts = sorted(((methods.count(name), name) for name in set(methods)), reverse=True)
    chosen = ", ".join(f"{name} for {count}" for count, name in counts)
    return f"Estimators of {len(methods)} answers, by leave-one-out error: {chosen}." if counts else ""


def _tolerance_warnings(tol: float | None, solved: list[_Solved]) -> tuple[str, ...]:
    if tol is None:
        return ()
    widths = [_half_width(one.estimate) for one in solved]
    above = sum(width > tol for width in widths)
    if not above:
        return ()
    return (
        f"tol={tol:g} was not reached for {above} of {len(solved)} rows within the budget; "
        f"the widest simultaneous 95 % interval is ±{max(widths):.2g}. Pass a larger budget=.",
    )


def rounding_bound(games: RowGames, terms: float) -> float:
    """Largest gap that rounding can leave between base value plus values and the model's output.

    A model whose outputs are all float32 numbers computes in float32, where a row alone and in a
    batch may differ in the last digits; any other is held to float64.
    """
    ends = np.abs(np.concatenate([games.full, games.empty])).max(initial=0.0)
    with np.errstate(over="ignore"):
        single = bool(np.all(games.full == games.full.astype(np.float32)))
    of_the_model = 16 * np.finfo(np.float32 if single else np.float64).eps * ends
    return float(of_the_model + np.finfo(np.float64).eps * (terms + (games.relevant.shape[1] + 16) * ends))
