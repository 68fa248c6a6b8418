"""Options of the tests that draw their cases, and what processes that tests start inherit.

Workers of Ray do not stand behind all other processes; an interruption interrupts.
"""

import os
import signal

import pytest

os.environ.setdefault("RAY_worker_niceness", "0")
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a background job; processes that are started inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--fuzz-graphs", type=int, default=0, help="strange graphs to run; 0: as many as fit a minute")
    parser.addoption("--fuzz-seed", type=int, default=1, help="other strange graphs")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """A report whose texts can be sent between processes, as lone surrogates cannot, which a test may log."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report
