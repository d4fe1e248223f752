"""The same bits for any number of threads, and for a row alone or inside any batch."""

import numpy as np
import pytest

from pellucid._kernels import trees as kernels
from pellucid.testing.strategies import Shape, random_ensemble, random_rows, random_subject

GAMES = ["path_dependent", "interventional"]
SHAPES = [
    Shape(n_trees=7, n_columns=12, n_features=9, n_outputs=3, width=3, depth=5),
    Shape(n_trees=3, n_columns=30, n_features=30, depth=30, bushy=0.1),
]


def solve(game: str, subject, n_jobs: int | None = None):
    trees, groups, n_features, rows, background = subject
    if game == "path_dependent":
        return kernels.path_dependent(trees, groups, n_features, rows, n_jobs=n_jobs)
    return kernels.interventional(trees, groups, n_features, rows, background, n_jobs=n_jobs)


@pytest.fixture(autouse=True, params=["tables", "walk"])
def way(request, monkeypatch) -> None:
    if request.param == "walk":
        monkeypatch.setattr(kernels, "TABLE_PLAYERS", 0)


@pytest.fixture(params=SHAPES, ids=["bushy", "deep"])
def subject(request):
    rng = np.random.default_rng(0)
    trees, groups = random_ensemble(rng, request.param)
    rows, background = (random_rows(rng, n, request.param.n_columns) for n in (150, 70))
    return trees, groups, request.param.n_features, rows, background


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_change_no_bit(game: str, threads: int, subject) -> None:
    values, base = solve(game, subject)
    again, base_again = solve(game, subject, n_jobs=threads)
    assert values.tobytes() == again.tobytes()
    assert base.tobytes() == base_again.tobytes()


@pytest.mark.parametrize("game", GAMES)
def test_batches_change_no_bit(game: str, subject) -> None:
    trees, groups, n_features, rows, background = subject
    values, base = solve(game, subject)
    for part in [slice(17, 18), slice(0, 1), slice(149, 150), slice(3, 70), slice(64, 129), slice(None, None, -1)]:
        found, found_base = solve(game, (trees, groups, n_features, rows[part].copy(), background))
        assert found.tobytes() == values[part].tobytes()
        assert found_base.tobytes() == base.tobytes()


@pytest.mark.parametrize("game", GAMES)
def test_inputs_are_not_touched_and_may_be_read_only_or_strided(game: str, subject) -> None:
    trees, groups, n_features, rows, background = subject
    values, _ = solve(game, subject)
    before = rows.copy()
    strided = np.asfortranarray(rows)
    strided.flags.writeable = False
    again, _ = solve(game, (trees, groups, n_features, strided, np.asfortranarray(background)))
    assert again.tobytes() == values.tobytes()
    assert np.array_equal(rows, before, equal_nan=True)


@pytest.mark.parametrize("instructions", kernels.instruction_sets())
def test_one_row_two_rows_and_threads_over_trees_change_no_bit(instructions: str) -> None:
    """A row alone has kernels of its own, and threads that outnumber the blocks of rows share out the trees."""
    rng = np.random.default_rng(1)
    shape = Shape(n_trees=90, n_columns=12, n_features=9, n_outputs=3, width=3, depth=9, bushy=0.9)
    trees, groups = random_ensemble(rng, shape)
    assert (~trees.is_leaf).sum() > 4 * 1024  # several chunks of trees
    rows = random_rows(rng, 70, 12)
    game = kernels.PathDependent(trees, groups, 9, instructions=instructions)
    whole = game.values(rows)
    for part in [slice(5, 6), slice(11, 13), slice(20, 29), slice(0, 70)]:
        for threads in (1, 2, 4, 16):
            found = game.values(rows[part].copy(), n_jobs=threads)
            assert found.tobytes() == whole[part].tobytes()


@pytest.mark.parametrize("instructions", kernels.instruction_sets())
@pytest.mark.parametrize("seed", range(30))
def test_a_row_alone_has_the_bits_it_has_among_others(instructions: str, seed: int) -> None:
    """Repeated features, categorical splits, one to twenty points, leaves of several outputs."""
    s = random_subject(seed, max_depth=3 + seed, max_features=3 + seed, n_rows=9)
    for index in (kernels.SHAPLEY, kernels.Index(banzhaf=True), kernels.Index(3, 2)):
        game = kernels.PathDependent(s.trees, s.groups, s.n_features, index=index, instructions=instructions)
        together = game.values(s.rows)
        alone = np.concatenate([game.values(row[None]) for row in s.rows])
        assert alone.tobytes() == together.tobytes()
