"""What all tests share: a home for Airflow, which makes one when it is imported, and no clock in generated tests."""

from __future__ import annotations

import os
import tempfile

from hypothesis import settings

_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-", ignore_cleanup_errors=True)
os.environ["AIRFLOW_HOME"] = _HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

# How long an example takes says more about the machine than about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_unconfigure() -> None:
    _HOME.cleanup()
