from numpy import bool_, float64, int32
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
    ) -> None: ...

class PathDependent:
    def __init__(self, ensemble: Ensemble, instructions: str) -> None: ...
    def base(self) -> NDArray[float64]: ...
    def values(self, columns: NDArray[float64], threads: int) -> NDArray[float64]: ...
    def interactions(self, columns: NDArray[float64], threads: int) -> NDArray[float64]: ...

def instruction_sets() -> list[str]: ...
def interventional(
    ensemble: Ensemble, columns: NDArray[float64], background: NDArray[float64], table_players: int, threads: int
) -> tuple[NDArray[float64], NDArray[float64]]: ...
def gauss_legendre(points: int) -> tuple[NDArray[float64], NDArray[float64]]: ...
