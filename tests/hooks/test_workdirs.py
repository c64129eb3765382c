"""Which work directories that wait or were left behind are deleted, by the settings of the deployment."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airfreight.hooks.step_context import drop_expired_workdirs, drop_kept_workdir, kept_workdir
from airfreight.model.naming import promotion_name

LOG = logging.getLogger("test")
NOW = datetime(2026, 3, 9, tzinfo=UTC)
NAME = promotion_name("dev", "01KB0000000000000000000000", "abcdef0123")
OTHER = promotion_name("dev", "01KB0000000000000000000001", "abcdef0123")


@pytest.fixture(params=["", "shared"], ids=["one machine", "a shared folder"])
def folder(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of work directories; with the parameter, kept ones are elsewhere."""
    monkeypatch.setenv("AIRFLOW__AIRFREIGHT__WORKSPACE_FOLDER", str(tmp_path / "work"))
    if request.param:
        shared = str(tmp_path / request.param)
        monkeypatch.setenv("AIRFLOW__AIRFREIGHT__SHARED_WORKSPACE_FOLDER", shared)
    for name in (NAME, OTHER):
        kept_workdir(name).parent.mkdir(parents=True, exist_ok=True)
        kept_workdir(name).write_text("x")
    return tmp_path / "work"


def test_what_is_kept_for_a_promotion_goes_with_it_and_no_other(folder: Path) -> None:
    drop_kept_workdir(NAME)
    drop_kept_workdir(NAME)
    assert not kept_workdir(NAME).exists()
    assert kept_workdir(OTHER).exists()


def test_what_died_promotions_left_is_deleted_in_both_folders_once_it_expired(folder: Path) -> None:
    left = folder / f"{NAME}.ab_12345"
    left.mkdir(parents=True)
    moment = (NOW - timedelta(days=8, seconds=1)).timestamp()
    for place in (left, kept_workdir(NAME), kept_workdir(NAME).parent):
        os.utime(place, (moment, moment))
    drop_expired_workdirs(NOW - timedelta(seconds=2), LOG)
    assert left.exists()
    drop_expired_workdirs(NOW, LOG)
    assert not left.exists()
    assert not kept_workdir(NAME).exists()
    assert kept_workdir(OTHER).exists()
