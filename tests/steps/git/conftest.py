from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from airfreight.steps.base import PromotionStep, StepContext, StepResult, StepSettings
from airfreight.steps.git_clone import GitCloneStep
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from airfreight.steps.workdir import WorkDirectory
from tests.git_http import GitHttpServer
from tests.steps.logins import Logins

STARTED = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
PASSWORD = "s3cret/ü+token"


@dataclass
class Bench:
    """Runs steps in one work directory of one Promotion."""

    root: Path
    logins: Logins
    promotion: str = "dev.01hx.abcdef0"
    settings: StepSettings = field(
        default_factory=lambda: StepSettings(allow_credentials_over_http=True, allow_loopback=True)
    )

    check_fence: Callable[[], None] = lambda: None

    def context(self, alias: str = "step-1") -> StepContext:
        return StepContext(
            project="shop",
            stage="dev",
            promotion=self.promotion,
            alias=alias,
            started_at=STARTED,
            workdir=WorkDirectory(self.root),
            credentials=self.logins,
            settings=self.settings,
            http=httpx.Client,
            log=logging.getLogger("tests.steps.git"),
            check_fence=self.check_fence,
        )

    def run(self, step: PromotionStep[Any], alias: str = "step-1", **config: Any) -> StepResult:
        return step.run(step.config_type.model_validate(config), self.context(alias))

    def clone(self, url: str, path: str = "src", **checkout: Any) -> StepResult:
        return self.run(GitCloneStep(), repoURL=url, checkout=[{"path": path, **checkout}])

    def promote(
        self, url: str, path: str = "a.txt", text: str = "two\n", **push: Any
    ) -> tuple[Any, Any]:
        """Clone, change one file, commit and push, as a small promotion does; return what the last two gave."""
        self.clone(url)
        (self.root / "src" / path).write_text(text)
        committed = self.run(GitCommitStep(), "step-2", path="src", message=f"Set {path}")
        step = GitPushStep(sleep=lambda _: None)
        return committed, self.run(step, "step-3", path="src", **push)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHttpServer]:
    with GitHttpServer(tmp_path / "remote") as running:
        yield running


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[GitHttpServer]:
    with GitHttpServer(tmp_path / "locked", user="robot", password=PASSWORD) as running:
        yield running


@pytest.fixture
def new_bench(tmp_path: Path) -> Callable[[], Bench]:
    made: list[Bench] = []

    def make() -> Bench:
        root = tmp_path / f"work{len(made)}"
        root.mkdir()
        made.append(Bench(root, Logins()))
        return made[-1]

    return make


@pytest.fixture
def bench(new_bench: Callable[[], Bench]) -> Bench:
    return new_bench()
