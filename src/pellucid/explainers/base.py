"""What every method is: hyper-parameters that bind to a model and then explain tables."""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, TypeAlias

from pellucid._base.progress import Progress
from pellucid._base.typing import Array, Float2, Float3
from pellucid.explanation import Evaluations
from pellucid.ir import Model, Space
from pellucid.table import Table

Needs: TypeAlias = Literal["predict", "trees", "linear"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked, apart from the rows: the same for every method.

    Parameters
    ----------
    model : Model
    background : Table or None
        Rows that stand for a hidden feature, already aligned to the model's features.
    space : Space
        Units of the answer.
    budget : int or None
        Coalitions per row; None lets the method choose.
    tol : float or None
        Absolute error in `space` at which sampling may stop.
    random_state : int
    n_jobs : int or None
    progress : Progress
    """

    model: Model
    background: Table | None
    space: Space
    budget: int | None = None
    tol: float | None = None
    random_state: int = 0
    n_jobs: int | None = None
    progress: Progress = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribution:
    """What a method hands back; the door adds names, residual and provenance.

    `exact` values must add up to the model's output within `bound`; `sums` says whether the
    method promises to add up at all (LIME does not). `reason` says what the method chose where it has a choice.
    """

    values: Float3
    base_values: Float2
    evaluations: Evaluations
    std_error: Float3 | None = None
    sums: bool = True
    bound: float = 0.0
    local_r2: Float2 | None = None
    top_stability: Float2 | None = None
    warnings: tuple[str, ...] = ()
    background: str = "none"
    reason: str = ""


class Bound(Protocol):
    """A method prepared for one question: thread-safe, all expensive preparation done."""

    def explain(self, X: Table, y: Array | None = None) -> Attribution:
        """Explain rows aligned to the model's features; `y` is given in loss space only."""
        ...


class Method(Protocol):
    """A frozen dataclass of hyper-parameters: printable and comparable."""

    name: ClassVar[str]
    needs: ClassVar[Needs]
    summary: ClassVar[str]

    def bind(self, question: Question) -> Bound:
        """Prepare everything that does not depend on the explained rows."""
        ...
