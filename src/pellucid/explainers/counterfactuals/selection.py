"""Which of the candidates of a row to show: the best first, then those that differ most."""

import numpy as np

from pellucid._base.typing import Float1, Float2, Int1
from pellucid.explainers.counterfactuals.distances import Gower


def distinct(row: Int1, codes: Float2) -> Int1:
    """Positions of candidates without the later ones that equal an earlier one of the same row."""
    seen: set[tuple[int, bytes]] = set()
    kept = []
    plain = np.where(np.isnan(codes), np.nan, codes + 0.0)  # one bit pattern for every NaN and zero
    for position, (r, cells) in enumerate(zip(row.tolist(), plain, strict=True)):
        key = (r, cells.tobytes())
        if key not in seen:
            seen.add(key)
            kept.append(position)
    return np.array(kept, dtype=np.int64)


def diverse(gower: Gower, codes: Float2, changes: Int1, distance: Float1, n: int) -> Int1:
    """Choose `n` candidates of one row: fewest changes and nearest first, then greedy max-min.

    Greedy max-min takes, again and again, the candidate whose nearest chosen one is farthest (Gonzalez, 1985);
    ties go to the better candidate.
    """
    order = np.lexsort((np.arange(len(codes)), distance, changes))
    chosen = [0]
    apart = gower.between(codes[order], codes[order[:1]])[:, 0]
    while len(chosen) < min(n, len(order)):
        apart[chosen] = -1.0
        following = int(apart.argmax())
        chosen.append(following)
        apart = np.minimum(apart, gower.between(codes[order], codes[order[following]][None])[:, 0])
    return order[chosen]
