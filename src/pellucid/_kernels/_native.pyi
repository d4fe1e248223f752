from typing import Any

from numpy import bool_, float64, int32, int64, uint32
from numpy.typing import NDArray

class Ensemble:
    def __init__(
        self,
        roots: NDArray[int32],
        left: NDArray[int32],
        right: NDArray[int32],
        feature: NDArray[int32],
        threshold: NDArray[float64],
        missing_left: NDArray[bool_],
        cover: NDArray[float64],
        value: NDArray[float64],
        output: NDArray[int32],
        base: NDArray[float64],
        player: NDArray[int32],
        n_players: int,
        less_equal: bool,
        float32_inputs: bool,
        bits: NDArray[uint32],
        bits_begin: NDArray[int32],
        bits_words: NDArray[int32],
        other_left: NDArray[bool_],
    ) -> None: ...

class _Game:
    def base(self) -> NDArray[float64]: ...
    def values(self, columns: NDArray[float64], to: NDArray[float64], threads: int) -> None: ...
    def pairs(self) -> NDArray[int32]: ...
    def pair_values(self, columns: NDArray[float64], chosen: NDArray[int32], threads: int) -> NDArray[float64]: ...
    def interactions(
        self, columns: NDArray[float64], to: NDArray[float64], sums: NDArray[float64], mirrored: bool, threads: int
    ) -> None: ...

class PathDependent(_Game):
    def __init__(self, ensemble: Ensemble, a: float, b: float, banzhaf: bool, instructions: str) -> None: ...

class PathDependentFloat32(PathDependent): ...

class Interventional(_Game):
    def __init__(
        self,
        ensemble: Ensemble,
        background: NDArray[float64],
        a: float,
        b: float,
        banzhaf: bool,
        table_players: int,
        threads: int,
        instructions: str,
    ) -> None: ...

def instruction_sets() -> list[str]: ...
def mix(
    others: NDArray[Any], row: NDArray[Any], shown: NDArray[bool_], result: NDArray[Any], instructions: str = ""
) -> None: ...
def multiply(a: NDArray[float64], b: NDArray[float64], instructions: str = "") -> NDArray[float64]: ...
def factor(matrix: NDArray[float64], instructions: str = "") -> NDArray[float64] | None: ...
def forward(lower: NDArray[float64], right: NDArray[float64], instructions: str = "") -> NDArray[float64]: ...
def backward(lower: NDArray[float64], right: NDArray[float64], instructions: str = "") -> NDArray[float64]: ...
def inverse(lower: NDArray[float64], instructions: str = "") -> NDArray[float64]: ...
def likelihood(
    signs: NDArray[float64],
    odd: NDArray[float64],
    additive: NDArray[float64],
    reach: NDArray[float64],
    line: float,
    cube: float,
    shift: float,
    alone: float,
    instructions: str = "",
) -> tuple[float, NDArray[float64], NDArray[float64], float, float, float] | None: ...
def both_classes(values: NDArray[float64], to: NDArray[float64], threads: int) -> None: ...
def add_lines(values: NDArray[float64], sums: NDArray[float64], threads: int) -> None: ...
def take_best(
    shown: NDArray[bool_],
    of_distance: NDArray[float64],
    variance: float,
    rows: NDArray[float64],
    values: NDArray[float64],
    steps: int,
    tie: float,
    dust: float,
    instructions: str = "",
) -> tuple[NDArray[int64], NDArray[float64]]: ...
def mean(lines: NDArray[float64]) -> NDArray[float64]: ...
def have_equal_halves(values: NDArray[float64]) -> bool: ...
def gauss_legendre(points: int) -> tuple[NDArray[float64], NDArray[float64]]: ...
