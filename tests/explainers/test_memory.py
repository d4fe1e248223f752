"""Memory of one row against a large background, in a process of its own."""

import subprocess
import sys

import pytest

CHILD = """
import numpy as np
import pellucid
rng = np.random.default_rng(0)
background = rng.normal(size=(10_000, 200))
slopes = rng.normal(size=200)
found = pellucid.explain(
    lambda X: X @ slopes, rng.normal(size=(1, 200)), background=background, method="shapley", budget=802
)
assert found.quality.residual <= found.quality.bound
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
print(int(status['VmHWM'].split()[0]) / 1024)  # not ru_maxrss, which begins with the parent's
"""


@pytest.mark.heavy
def test_one_row_against_ten_thousand_rows_of_two_hundred_columns_takes_half_a_gibibyte_at_most():
    ran = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert float(ran.stdout) <= 512.0
