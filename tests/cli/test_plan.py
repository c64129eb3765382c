"""`airfreight plan`: what a promotion would commit, where it would stop; against a Git server that takes no push."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.plan_desk import PASSWORD, Desk, environment, step
from tests.git_http import GitHttpServer


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name, value in environment(tmp_path / "work").items():
        monkeypatch.setenv(name, value)
    with GitHttpServer(tmp_path / "repositories", "ci", PASSWORD) as server:
        yield Desk(tmp_path, server)


def test_a_plan_shows_the_diff_and_the_message_and_stops_at_the_push(desk: Desk) -> None:
    steps = [*desk.edit(), step("git-push", "push", path="work")]
    code, out, err = desk.plan(steps)
    print(out, err)
    assert (code, err) == (0, "")
    assert desk.nothing_was_written()
