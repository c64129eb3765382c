from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from airfreight.model.freight import Freight
from airfreight.steps.base import PromotionStep, StepResult, StepSettings
from airfreight.steps.ways_out import PROXIES
from tests.steps.files import context_at
from tests.steps.logins import Logins


@dataclass
class Kitchen:
    """Runs steps in one work directory."""

    root: Path
    logins: Logins = field(default_factory=Logins)
    freight: Mapping[str, Freight] = field(default_factory=dict)
    settings: StepSettings = field(
        default_factory=lambda: StepSettings(allow_loopback=True, allow_credentials_over_http=True)
    )
    previous: Mapping[str, Any] | None = None

    def run(self, step: PromotionStep[Any], **config: Any) -> StepResult:
        context = replace(
            context_at(self.root),
            credentials=self.logins,
            settings=self.settings,
            freight=self.freight,
            previous_output=self.previous,
        )
        return step.run(step.config_type.model_validate(config), context)

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
        return file

    def names(self, folder: str) -> list[str]:
        root = self.root / folder
        return sorted(file.relative_to(root).as_posix() for file in root.rglob("*"))

    def files(self, folder: str) -> dict[str, str]:
        root = self.root / folder
        return {
            file.relative_to(root).as_posix(): file.read_text()
            for file in sorted(root.rglob("*"))
            if file.is_file()
        }


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    root = tmp_path / "work"
    root.mkdir()
    return Kitchen(root)


@pytest.fixture
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker without a proxy; the machine that tests may have one."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path
