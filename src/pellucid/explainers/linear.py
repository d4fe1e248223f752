"""`Linear`: exact Shapley values of a linear function of encoded columns, in closed form."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.typing import Array, Float1, Float2, Float3
from pellucid.explainers.base import Attribution, Needs, Question
from pellucid.explanation import Evaluations
from pellucid.ir import Encoding, LinearForm, Model
from pellucid.table import Table


@dataclass(frozen=True)
class Linear:
    """Exact interventional Shapley values of a linear model.

    A column's value is its coefficient times its difference from the background's mean; the columns
    made of one raw feature (one-hot) add up to that feature's value. Because the model is a sum of
    one-feature functions, every order of showing features gives the same answer (Lundberg and Lee,
    2017, corollary 1), whether or not the features are independent.

    Examples
    --------
    >>> import numpy as np
    >>> import pellucid
    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
    >>> model = LinearRegression().fit(X, X @ [3.0, -1.0])
    >>> pellucid.explain(model, X[:1], background=X, method="linear").values[0, :, 0].round(6)
    array([-3.,  0.])
    """

    name: ClassVar[str] = "linear"
    needs: ClassVar[Needs] = "linear"
    summary: ClassVar[str] = "exact values of linear models, any number of features"

    def bind(self, question: Question) -> "BoundLinear":
        """Encode the background and take its mean.

        Raises
        ------
        UnsupportedRequestError
            When the model is not linear in this space, or there is no background.
        """
        model = question.model
        if not isinstance(model.structure, LinearForm) or model.encoding is None:
            why = f" ({model.why_no_structure})" if model.structure is None and model.why_no_structure else ""
            raise UnsupportedRequestError(
                f"method='linear' needs a linear model; {model.label} is none that can be read{why}. "
                "Use method='auto', or method='shapley' for any model."
            )
        if not model.structure_answers(question.space):
            raise UnsupportedRequestError(
                f"{model.label} is linear in space='raw', not in space={str(question.space)!r}. "
                "Use space='raw', or method='shapley' for this space."
            )
        if question.background is None:
            raise UnsupportedRequestError(
                "method='linear' needs background=: rows that stand for a hidden feature, such as 100 training rows."
            )
        mean = model.encoding.transform(question.background).mean(axis=0)
        if not np.all(np.isfinite(mean)):
            raise InputError(
                f"background has missing or infinite values, which {model.label} cannot take. Fill or drop them."
            )
        return BoundLinear(
            model=model,
            form=model.structure,
            encoding=model.encoding,
            mean=mean,
            n_features=question.background.n_columns,
            background=f"the mean of {len(question.background)} background rows",
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class BoundLinear:
    """A linear model with the mean of its encoded background."""

    model: Model
    form: LinearForm
    encoding: Encoding
    mean: Float1
    n_features: int
    background: str

    def explain(self, X: Table, y: Array | None = None) -> Attribution:  # noqa: ARG002 - the loss has no linear form
        """Return ``coefficient * (column - mean)``, summed over the columns of each feature."""
        columns = self.encoding.transform(X)
        values = self._values(columns)
        base = self.form.intercept.copy()
        for column, coefficient in enumerate(self.form.coefficients.T):
            base += coefficient * self.mean[column]
        bases = np.tile(base, (len(X), 1))
        return Attribution(
            values=self.model.structure_effects(values),
            base_values=self.model.structure_outputs(bases),
            evaluations=Evaluations(),
            bound=self._bound(columns),
            background=self.background,
        )

    def _values(self, columns: Float2) -> Float3:
        # One column after the other, elementwise: a row's bits do not depend on its batch, as a
        # matrix product's would.
        values = np.zeros((len(columns), self.n_features, len(self.form.intercept)))
        moved = columns - self.mean
        for column, feature in enumerate(self.encoding.groups):
            values[:, feature, :] += moved[:, column, None] * self.form.coefficients[:, column]
        return values

    def _bound(self, columns: Float2) -> float:
        """Bound the rounding of the library's sum and of ours, which adds the mean and takes it away again."""
        return 2.0 * (self.form.rounding_bound(columns) + self.form.rounding_bound(self.mean[None, :]))
