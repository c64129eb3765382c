"""What all tests share: a home for Airflow, which makes one when it is imported, and no clock in generated tests."""

from __future__ import annotations

import os
import tempfile

import pytest
from hypothesis import settings

_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-", ignore_cleanup_errors=True)
os.environ["AIRFLOW_HOME"] = _HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

# How long an example takes says more about the machine than about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Say how many processes test: a third of the time one waits for servers and programs that its test started."""
    return round((os.cpu_count() or 1) * 1.5)


def pytest_unconfigure() -> None:
    _HOME.cleanup()
