"""Options of the tests that draw their cases."""


def pytest_addoption(parser):
    parser.addoption("--fuzz-graphs", type=int, default=0, help="strange graphs to run; 0: as many as fit a minute")
    parser.addoption("--fuzz-seed", type=int, default=1, help="other strange graphs")
