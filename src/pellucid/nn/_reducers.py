"""Running statistics of a layer's units: what is kept does not grow with the number of rows."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

BINS = 64
TWINS = 0.999
MOST_COMPARED = 4096


class Running:
    """Mean, spread, extremes, top rows, histogram and correlations of units, one batch after another.

    Sums are of differences from the first batch's mean, so that a large mean costs no digits.
    """

    def __init__(self, first: Tensor, top: int) -> None:
        units = first.shape[2]
        self.shift = first.mean(dim=(0, 1))
        self.top = top
        self.places = 0
        self.sum = torch.zeros_like(self.shift)
        self.squares = torch.zeros_like(self.shift)
        self.products = first.new_zeros(units, units) if units <= MOST_COMPARED else None
        self.low = torch.full_like(self.shift, math.inf)
        self.high = torch.full_like(self.shift, -math.inf)
        self.best = first.new_empty(0, units)
        self.best_rows = torch.empty(0, units, dtype=torch.long, device=first.device)
        self.limit = 1.0
        self.counts = torch.zeros(units, BINS, dtype=torch.long, device=first.device)

    def add(self, cells: Tensor, start: int) -> None:
        """Take in cells of shape (rows, places, units), the first of which is row number `start`."""
        flat = cells.flatten(0, 1)
        moved = flat - self.shift
        self.places += len(flat)
        self.sum += moved.sum(dim=0)
        self.squares += moved.square().sum(dim=0)
        if self.products is not None:
            self.products += moved.T @ moved
        self.low = torch.minimum(self.low, flat.amin(dim=0))
        self.high = torch.maximum(self.high, flat.amax(dim=0))
        self._keep_best(cells.amax(dim=1), start)
        self._count(flat)

    def _keep_best(self, values: Tensor, start: int) -> None:
        rows = torch.arange(start, start + len(values), device=values.device)[:, None].expand_as(values)
        together = torch.cat([self.best, values])
        numbers = torch.cat([self.best_rows, rows])
        order = together.argsort(dim=0, descending=True, stable=True)[: self.top]
        self.best, self.best_rows = together.gather(0, order), numbers.gather(0, order)

    def _count(self, flat: Tensor) -> None:
        """Count into bins over [-limit, limit]; the limit doubles, and bins merge in pairs, when it is reached."""
        while float(flat.abs().max()) > self.limit:
            merged = self.counts.reshape(len(self.counts), BINS // 2, 2).sum(dim=2)
            self.counts = torch.nn.functional.pad(merged, (BINS // 4, BINS // 4))
            self.limit *= 2
        bins = ((flat + self.limit) * (BINS / 2 / self.limit)).long().clamp(max=BINS - 1)
        at = bins + BINS * torch.arange(flat.shape[1], device=flat.device)
        self.counts += torch.bincount(at.flatten(), minlength=self.counts.numel()).reshape(self.counts.shape)

    def result(self) -> dict[str, Any]:
        """Return the fields of a `LayerSummary`."""
        mean = self.sum / self.places
        variance = (self.squares / self.places - mean.square()).clamp(min=0)
        dead = self.low == self.high
        arrays = {
            "mean": mean + self.shift,
            "std": variance.sqrt(),
            "low": self.low,
            "high": self.high,
            "top_values": self.best.T,
            "top_rows": self.best_rows.T,
            "histogram": self.counts,
            "dead": dead,
        }
        return {
            **{name: np.ascontiguousarray(value.cpu().numpy()) for name, value in arrays.items()},
            "edges": np.linspace(-self.limit, self.limit, BINS + 1),
            "duplicates": self._twins(mean, variance, dead),
        }

    def _twins(self, mean: Tensor, variance: Tensor, dead: Tensor) -> tuple[tuple[int, int, float], ...] | None:
        if self.products is None:
            return None
        covariance = self.products / self.places - mean[:, None] * mean
        scale = variance.sqrt().masked_fill(dead, math.inf)
        correlation = (covariance / scale / scale[:, None]).nan_to_num(0.0).triu(1)
        pairs = (correlation.abs() >= TWINS).nonzero().tolist()
        return tuple((i, j, float(correlation[i, j].clamp(-1, 1))) for i, j in pairs)
