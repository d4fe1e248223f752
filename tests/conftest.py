import os

import hypothesis
import pytest
from threadpoolctl import threadpool_limits

hypothesis.settings.register_profile("pellucid", deadline=None, max_examples=50, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("pellucid")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Under PELLUCID_NO_SKIPS a skipped test is a failed one: nothing may be left out unseen."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("PELLUCID_NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longrepr}"


@pytest.fixture(autouse=True)
def one_thread():
    """One thread per library: the models are tiny, and threads that wait for one another are slow."""
    with threadpool_limits(limits=1):
        yield
