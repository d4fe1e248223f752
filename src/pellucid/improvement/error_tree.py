"""`error_tree`: a few questions that part the rows a model serves well from those it serves badly."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.randomness import stream
from pellucid._base.typing import Bool1, Float1, Names
from pellucid.improvement.conditions import Condition, conditions_of
from pellucid.improvement.losses import Errors, read_errors

if TYPE_CHECKING:
    import pandas as pd

DEPTH = 3
CLEAR = 4.0
"""Standard errors by which the two sides of a question must differ where it is looked for."""


@dataclass(frozen=True, kw_only=True)
class ErrorNode:
    """Rows that answered the questions on the way to this node in the same way.

    Parameters
    ----------
    id, parent : int
        The root's parent is -1.
    branch : str
        The answer that leads here from the parent.
    n : int
        Rows it was measured on.
    error, low, high : float
        Mean error of rows that did not take part in finding the questions, with its 95 % interval.
    leaf : bool
    """

    id: int
    parent: int
    branch: str
    n: int
    error: float
    low: float
    high: float
    leaf: bool


@dataclass(frozen=True, kw_only=True)
class ErrorTree:
    """The tree; nodes in the order in which they are read.

    Parameters
    ----------
    nodes : tuple of ErrorNode
    share : bool
        Errors are shares of wrong decisions; else absolute errors.
    sentences : tuple of str
        The best and the worst leaf in words.
    """

    nodes: tuple[ErrorNode, ...]
    share: bool
    sentences: Names

    def path(self, node: ErrorNode) -> str:
        """The answers that lead to a node, in words."""
        steps: list[str] = []
        while node.parent >= 0:
            steps.insert(0, node.branch)
            node = self.nodes[node.parent]
        return " and ".join(steps) or "all rows"

    def to_frame(self) -> "pd.DataFrame":
        """One row per node."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        names = ("id", "parent", "branch", "n", "error", "low", "high", "leaf")
        return pd.DataFrame({name: [getattr(node, name) for node in self.nodes] for name in names})


def error_tree(model: Any, X: Any, y: Any, *, min_rows: int = 30, random_state: int = 0) -> ErrorTree:
    """Ask up to three questions of each row that say most about how far the model is wrong there.

    One half of the rows finds the questions and the other half measures the errors (honest in the sense of Athey and
    Imbens 2016), so the figures in the leaves are not better or worse than they are for having been chosen.

    Parameters
    ----------
    model, X, y, random_state
        As in `find_slices`.
    min_rows : int
        Fewest rows of each half in a node.

    Examples
    --------
    >>> import numpy as np
    >>> from pellucid.improvement import error_tree
    >>> rng = np.random.default_rng(0)
    >>> X = {"age": rng.normal(size=800), "kind": rng.choice(["a", "b"], 800)}
    >>> y = X["age"] + rng.normal(size=800) * np.where(X["kind"] == "b", 3.0, 0.3)
    >>> error_tree(lambda T: np.asarray(T["age"]), X, y).nodes[1].branch
    '‘kind’ is ‘b’'
    """
    errors = read_errors(model, X, y)
    if min_rows < 2 or len(errors.values) < 4 * min_rows:
        raise InputError(f"error_tree needs min_rows ≥ 2 and four times as many rows; got {len(errors.values)} rows.")
    finding = stream(random_state, "improvement.error_tree").permutation(len(errors.values)) % 2 == 0
    atoms = conditions_of(errors.table, 2 * min_rows)
    nodes: list[ErrorNode] = []
    _grow(nodes, errors, atoms, finding, np.ones(len(finding), dtype=bool), min_rows=min_rows)
    return ErrorTree(nodes=tuple(nodes), share=errors.share, sentences=_sentences(tuple(nodes), errors))


def _grow(
    nodes: list[ErrorNode],
    errors: Errors,
    atoms: tuple[Condition, ...],
    finding: Bool1,
    rows: Bool1,
    *,
    min_rows: int,
    parent: int = -1,
    branch: str = "",
    depth: int = 0,
) -> None:
    place, measured = len(nodes), rows & ~finding
    atom = None if depth == DEPTH else _question(errors.values, atoms, finding, rows, min_rows)
    value, low, high = errors.mean(measured)
    node = ErrorNode(
        id=place,
        parent=parent,
        branch=branch,
        n=int(measured.sum()),
        error=value,
        low=low,
        high=high,
        leaf=atom is None,
    )
    nodes.append(node)
    if atom is None:
        return
    for words, part in ((atom.words, rows & atom.rows), (f"not ({atom.words})", rows & ~atom.rows)):
        _grow(
            nodes, errors, atoms, finding, part, min_rows=min_rows, parent=place, branch=words, depth=depth + 1
        )  # fmt: skip


def _question(
    values: Float1, atoms: tuple[Condition, ...], finding: Bool1, rows: Bool1, min_rows: int
) -> Condition | None:
    """Find the statement whose two sides differ most clearly; None when none does clearly enough."""
    best, found = CLEAR, None
    for atom in atoms:
        sides = [rows & atom.rows, rows & ~atom.rows]
        if min(int((side & half).sum()) for side in sides for half in (finding, ~finding)) < min_rows:
            continue
        a, b = (values[side & finding] for side in sides)
        error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
        clearness = abs(a.mean() - b.mean()) / error if error > 0 else 0.0
        if clearness > best:
            best, found = clearness, atom
    return found


def _sentences(nodes: tuple[ErrorNode, ...], errors: Errors) -> Names:
    whole = (
        f"On all rows (n = {nodes[0].n:,}) the model has {errors.words((nodes[0].error, nodes[0].low, nodes[0].high))}."
    )
    if len(nodes) == 1:
        return (_is(whole), "No question parts the rows it serves well from those it serves badly.")
    tree = ErrorTree(nodes=nodes, share=errors.share, sentences=())
    leaves = sorted((node for node in nodes if node.leaf), key=lambda node: -node.error)
    said = [
        f"Where {tree.path(leaf)} (n = {leaf.n:,}) the model has {errors.words((leaf.error, leaf.low, leaf.high))}."
        for leaf in (leaves[0], leaves[-1])
    ]
    return tuple(_is(sentence) for sentence in (whole, *said))


def _is(sentence: str) -> str:
    return sentence.replace("has wrong in", "is wrong in")
