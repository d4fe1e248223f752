"""How alike two layers are, and activations seen in a few dimensions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Float1, Float2, Names
from pellucid.nn._matrices import as_matrix, by_layer, need_same_rows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerSimilarity:
    """Linear CKA between every two layers. Arrays are read-only.

    Parameters
    ----------
    layers : tuple of str
    values : float64 array of shape (layers, layers)
        1 where two layers are the same up to rotation and scale; around 0 where they share nothing.
    n : int
        Rows it was measured on.
    """

    layers: Names
    values: Float2
    n: int

    def __post_init__(self) -> None:
        self.values.flags.writeable = False

    def to_frame(self) -> "pd.DataFrame":
        """Return the matrix as a frame with layers as rows and columns."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        return pd.DataFrame(self.values.copy(), index=list(self.layers), columns=list(self.layers))


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
    """Activations in a few dimensions. Arrays are read-only.

    Parameters
    ----------
    coordinates : float64 array of shape (rows, components)
    explained : float64 array of shape (components,)
        Share of the variance along each component; what is left is not in the picture.
    """

    coordinates: Float2
    explained: Float1

    def __post_init__(self) -> None:
        self.coordinates.flags.writeable = False
        self.explained.flags.writeable = False

    def to_frame(self) -> "pd.DataFrame":
        """One row per row of the data, one column per component."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        names = [f"component {j + 1}" for j in range(self.coordinates.shape[1])]
        return pd.DataFrame(self.coordinates.copy(), columns=names)


def cka(first: Any, second: Any) -> float:
    """Linear centred kernel alignment of two sets of activations, with the unbiased estimator of HSIC.

    The plain estimator grows towards 1 when a layer has more units than there are rows; this one is unbiased
    (Song et al. 2012, eq. 5; Nguyen, Raghu and Kornblith 2021, eq. 3), so unrelated activations give about 0, on either
    side of it.

    Parameters
    ----------
    first, second : tensors or arrays of shape (rows, …)
        The same rows in both, at least 4.

    Returns
    -------
    float

    Raises
    ------
    InputError
        When the rows differ or there are fewer than 4, a number is not finite, or a layer never changes.

    Examples
    --------
    >>> import numpy as np
    >>> from pellucid.nn.similarity import cka
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> turned = x @ np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    >>> round(cka(x, 3 * turned), 6)
    1.0
    """
    return float(layer_similarity({"first": first, "second": second}).values[0, 1])


def layer_similarity(activations: Any) -> LayerSimilarity:
    """Linear CKA, unbiased, between every two layers.

    Parameters
    ----------
    activations : Activations, or mapping from layer to array of shape (rows, …)
        The same rows in every layer, at least 4.

    Returns
    -------
    LayerSimilarity

    Raises
    ------
    InputError
        As for `cka`.

    Examples
    --------
    >>> import numpy as np
    >>> from pellucid.nn.similarity import layer_similarity
    >>> x = np.random.default_rng(0).normal(size=(30, 4))
    >>> layer_similarity({"a": x, "b": x + 1.0}).values.round(6).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    layers = by_layer(activations)
    grams, rows = [], None
    for name, values in layers.items():
        matrix = as_matrix(values, f"layer {name!r}")
        need_same_rows(len(matrix), rows or len(matrix), f"layer {name!r}", "the first layer")
        rows = len(matrix)
        grams.append(_gram(matrix, name))
    flat = np.stack(grams).reshape(len(grams), -1)
    products = flat @ flat.T
    return LayerSimilarity(layers=tuple(layers), values=products, n=int(rows or 0))


def _gram(matrix: Float2, name: str) -> Float2:
    """U-centred Gram matrix of unit length: the unbiased HSIC is the inner product of two of them.

    U-centring (Székely and Rizzo 2014, def. 2) makes ``<K̃, L̃> / (n (n - 3))`` equal to Song's estimator.
    """
    n = len(matrix)
    if n < 4:
        raise InputError(f"the unbiased estimate needs at least 4 rows; layer {name!r} has {n}.")
    matrix = matrix - matrix.mean(axis=0)
    gram = matrix @ matrix.T
    np.fill_diagonal(gram, 0.0)
    sums = gram.sum(axis=1)
    centred = gram - (sums[:, None] + sums) / (n - 2) + sums.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0.0)
    length = float(np.linalg.norm(centred))
    if length <= 1e-12 * max(float((matrix**2).sum()), 1e-300):
        raise InputError(f"layer {name!r} puts all rows equally far apart, so it has no likeness to any other.")
    return np.asarray(centred / length)


def project(activations: Any, *, n_components: int = 2) -> Projection:
    """Principal components of one layer's activations (scikit-learn's PCA, full SVD).

    Parameters
    ----------
    activations : tensor or array of shape (rows, …)
    n_components : int

    Returns
    -------
    Projection

    Raises
    ------
    InputError
        When there are fewer rows or features than components, or numbers that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from pellucid.nn.similarity import project
    >>> line = np.arange(5.0)[:, None] * np.array([3.0, 4.0])
    >>> project(line).explained.round(6).tolist()
    [1.0, 0.0]
    """
    from sklearn.decomposition import PCA

    matrix = as_matrix(activations, "activations")
    if not 1 <= n_components <= min(matrix.shape):
        raise InputError(
            f"n_components must lie between 1 and {min(matrix.shape)}, the smaller of {matrix.shape[0]} rows and "
            f"{matrix.shape[1]} features; got {n_components!r}."
        )
    if not np.ptp(matrix, axis=0).any():
        raise InputError("all rows have the same activations, so there is nothing to project.")
    pca = PCA(n_components=n_components, svd_solver="full")
    coordinates = pca.fit_transform(matrix)
    return Projection(coordinates=coordinates, explained=pca.explained_variance_ratio_)
