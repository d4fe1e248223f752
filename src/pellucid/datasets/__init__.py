"""Small real tables that ship with the package, each with its source, its licence and its faults."""

from pellucid.datasets._dataset import Dataset
from pellucid.datasets._hmda import load_hmda
from pellucid.datasets._nhanes import load_nhanes

__all__ = ["Dataset", "load_hmda", "load_nhanes"]
