"""Writes a line for each test: how it ended, and its name."""

import os


def pytest_runtest_logreport(report):
    # A test that fails before or after its call has failed.
    if report.when != "call" and report.passed:
        return
    name = report.nodeid.split("::")[-1].removeprefix("test_")
    with open(os.environ["ARTEL_RESULTS"], "a") as file:
        file.write(f"{report.outcome} {name}\n")
