"""Value functions: what an output is worth when only some features are known."""

from pellucid.games.marginal import MarginalGame, RowGames

__all__ = ["MarginalGame", "RowGames"]
