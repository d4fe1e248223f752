"""A decision tree of a few questions, and each row's way through it in words."""

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from pellucid._base.typing import Float2
from pellucid._base.words import counted
from pellucid.glassbox._bins import plain, short_between
from pellucid.glassbox.description import GlassDescription
from pellucid.glassbox.encoder import EncodedColumn, TableEncoder
from pellucid.table import Table

DEPTH = 4
"""Questions on the longest way: what a person can follow."""


def build_tree(task: str, n_rows: int, random_state: int = 0) -> Pipeline:
    """Decision tree of at most `DEPTH` questions, with at least 20 rows (or 5 % of few rows) per leaf."""
    leaf = max(1, min(20, n_rows // 20))
    kind = DecisionTreeRegressor if task == "regression" else DecisionTreeClassifier
    tree = kind(max_depth=DEPTH, min_samples_leaf=leaf, random_state=random_state)
    return Pipeline([("encoder", TableEncoder(drop_reference=False, impute=False)), ("model", tree)])


def describe_tree(fitted: Pipeline, X: Table) -> GlassDescription:
    """All nodes of the tree, with the questions worded so that they part the rows of `X` as the tree does."""
    tree = fitted.named_steps["model"].tree_
    nodes = node_table(fitted, X)
    leaves = int((tree.children_left < 0).sum())
    questions = tree.node_count - leaves
    return GlassDescription(
        title="Decision tree",
        sentences=(
            f"A row answers at most {int(tree.max_depth)} questions on its way to one of {leaves} leaves; "
            "the leaf’s training rows give the prediction.",
        ),
        complexity=f"{counted(questions, 'question')}, depth {int(tree.max_depth)}",
        tables={"nodes": nodes},
        tree={name: nodes[name] for name in ("id", "parent", "branch", "text", "rows", "value")},
    )


def node_table(fitted: Pipeline, X: Table) -> dict[str, list[Any]]:
    """Nodes as columns: id, parent (-1 for the root), branch (words), text, rows, value, leaf.

    `value` is the share of the node's most frequent class, or the mean target; `rows` is the
    number of training rows.
    """
    tree = fitted.named_steps["model"].tree_
    columns = fitted.named_steps["encoder"].columns_
    Z = np.asarray(fitted[:-1].transform(X.native))
    parents = np.full(tree.node_count, -1)
    branches = [""] * tree.node_count
    for node in np.flatnonzero(tree.children_left >= 0):
        column = int(tree.feature[node])
        missing_left = bool(tree.missing_go_to_left[node])
        for child, is_left in ((tree.children_left[node], True), (tree.children_right[node], False)):
            parents[child] = node
            takes_missing = is_left == missing_left and bool(np.isnan(Z[:, column]).any())
            branches[child] = _branch(columns[column], float(tree.threshold[node]), Z[:, column], is_left=is_left)
            branches[child] += " or missing" if takes_missing else ""
    texts, values = zip(*(_answer(fitted, node) for node in range(tree.node_count)), strict=True)
    return {
        "id": list(range(tree.node_count)),
        "parent": parents.tolist(),
        "branch": branches,
        "text": list(texts),
        "rows": tree.n_node_samples.tolist(),
        "value": list(values),
        "leaf": (tree.children_left < 0).tolist(),
    }


def path_of(fitted: Pipeline, X: Table, nodes: dict[str, list[Any]]) -> list[list[str]]:
    """Each row's way from the root: the answers it gave, and last the leaf's text.

    `nodes` is the tree's `node_table`.
    """
    leaves = fitted.apply(X.native) if hasattr(fitted, "apply") else _leaves(fitted, X)
    paths = []
    for leaf in leaves.tolist():
        steps, node = [nodes["text"][leaf]], leaf
        while nodes["parent"][node] >= 0:
            steps.insert(0, nodes["branch"][node])
            node = nodes["parent"][node]
        paths.append(steps)
    return paths


def _leaves(fitted: Pipeline, X: Table) -> Any:
    return fitted.named_steps["model"].apply(fitted[:-1].transform(X.native))


def _branch(column: EncodedColumn, threshold: float, values: Float2, *, is_left: bool) -> str:
    if column.meaning == "level":
        return f"{column.feature} is {'not ' if is_left else ''}‘{column.level}’"
    if column.meaning == "flag":
        return f"{column.feature} is {'false' if is_left else 'true'}"
    below, above = values[values <= threshold], values[values > threshold]
    limit = short_between(below.max(), above.min()) if len(below) and len(above) else threshold
    return f"{column.feature} {'≤' if is_left else '>'} {plain(limit)}"


def _answer(fitted: Pipeline, node: int) -> tuple[str, float]:
    model = fitted.named_steps["model"]
    rows = int(model.tree_.n_node_samples[node])
    value = model.tree_.value[node].ravel()
    if isinstance(model, DecisionTreeRegressor):
        return f"{value[0]:.4g}, the mean of {rows} rows", float(value[0])
    best = int(np.argmax(value))
    share = float(value[best] / value.sum())
    return f"‘{model.classes_[best]}’: {100 * share:.0f} % of {rows} rows", share
