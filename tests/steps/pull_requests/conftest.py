from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from airfreight.artifacts.guarded_http import guarded_client
from airfreight.model.credential import Credential
from airfreight.runtime.attempt import Attempt, attempt_step
from airfreight.steps.base import PromotionStep, StepContext, StepSettings
from airfreight.steps.workdir import WorkDirectory
from tests.git_http import GitHttpServer
from tests.steps.pull_requests.hosting_server import HostingServer

TOKEN = "gh5_s3cret-token"
REPOSITORY = "shop/gitops"


local_client = partial(guarded_client, allow_loopback=True)


@dataclass
class OneLogin:
    """The same login for every repository."""

    login: Credential | None = field(default_factory=lambda: Credential("bot", TOKEN))

    def find(self, kind: str, url: str) -> Credential | None:
        assert kind == "git"
        assert url
        return self.login


@dataclass
class Bench:
    """Runs steps of one Promotion as the engine does; `slept` are the seconds that steps waited."""

    root: Path
    promotion: str = "dev.01hx.abcdef0"
    settings: StepSettings = field(
        default_factory=lambda: StepSettings(allow_loopback=True, allow_credentials_over_http=True)
    )
    credentials: OneLogin = field(default_factory=OneLogin)
    http: Callable[..., httpx.Client] = local_client
    slept: list[float] = field(default_factory=list)

    def context(self, previous: Mapping[str, Any] | None = None) -> StepContext:
        return StepContext(
            project="shop",
            stage="dev",
            promotion=self.promotion,
            alias="step-1",
            started_at=datetime(2024, 5, 1, 12, 0, tzinfo=UTC),
            workdir=WorkDirectory(self.root),
            credentials=self.credentials,
            settings=self.settings,
            http=self.http,
            log=logging.getLogger("tests.steps.pull_requests"),
            check_fence=lambda: None,
            previous_output=previous,
        )

    def run(
        self,
        kind: Callable[..., PromotionStep[Any]],
        config: Mapping[str, Any],
        previous: Mapping[str, Any] | None = None,
    ) -> Attempt:
        return attempt_step(kind(sleep=self.slept.append), config, self.context(previous))

    def with_settings(self, **changes: Any) -> Bench:
        return replace(self, settings=replace(self.settings, **changes))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    root = tmp_path / "work"
    root.mkdir()
    return Bench(root)


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[HostingServer]:
    with GitHttpServer(tmp_path / "remote", user="bot", password=TOKEN) as running:
        running.create(REPOSITORY, {"a.txt": "one\n"})
        hosting = HostingServer(running, REPOSITORY, TOKEN)
        running.api = hosting.answer
        yield hosting


@pytest.fixture(autouse=True)
def no_token_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG, logger="tests.steps.pull_requests")
    yield
    assert TOKEN not in caplog.text
