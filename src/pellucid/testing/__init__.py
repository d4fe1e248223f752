"""Oracles, random subjects and conformance suites: for our own tests, and for those of other packages.

Nothing in pellucid imports from here.
"""

from pellucid.testing.oracles import exact_interventional, exact_path_dependent, shapley_by_enumeration
from pellucid.testing.strategies import random_subject, subjects

__all__ = [
    "exact_interventional",
    "exact_path_dependent",
    "random_subject",
    "shapley_by_enumeration",
    "subjects",
]
