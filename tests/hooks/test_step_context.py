"""What a deployment gives to steps, through the engine that it makes."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from airfreight.hooks.step_context import engine_maker
from airfreight.manifests.project import load_project
from airfreight.model.promotion import PromotionStatus
from airfreight.runtime.fence import Fence
from airfreight.runtime.objects import ProjectObjects
from airfreight.runtime.stage_register import StageRegister
from airfreight.steps.base import NoOperators, StepContext, StepResult, no_notifier
from airfreight.steps.registry import StepRegistry
from airfreight.steps.workdir import WorkDirectory
from tests.runtime.memory import MemoryStore
from tests.runtime.step_kinds import START, AnyConfig, EchoStep, promotion

SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: cloud
  labels: {kargo.akuity.io/cred-type: generic}
  annotations: {airfreight/connection: airfreight_shop_cloud}
"""


class TellingStep(EchoStep):
    """Puts out its config as a program might print it, with what the deployment says."""

    kind = "tell"

    def run(self, config: AnyConfig, context: StepContext) -> StepResult:
        text = context.redact(f"logged in with {(config.model_extra or {})['token']}")
        settings = context.settings
        allowed = {"terraform": settings.allow_terraform, "cache": str(settings.cache)}
        return StepResult(output={"text": text, **allowed})


def test_a_step_can_hide_the_passwords_of_its_config_and_knows_what_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_AIRFREIGHT_SHOP_CLOUD",
        json.dumps({"conn_type": "generic", "login": "robot", "password": "hunter2"}),
    )
    monkeypatch.setenv("AIRFLOW__AIRFREIGHT__ALLOW_TERRAFORM", "true")
    monkeypatch.setenv("AIRFLOW__AIRFREIGHT__CACHE_FOLDER", "/seen")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "secret.yaml").write_text(SECRET)
    registry = StepRegistry([TellingStep()])
    register = StageRegister(MemoryStore())
    fence = Fence(register, "mine")
    fence.enter()
    engine_for = engine_maker(
        load_project(tmp_path, "shop", registry),
        registry,
        lambda: START,
        logging.getLogger("test"),
        fence,
        ProjectObjects(MemoryStore(), (), {}),
        NoOperators(),
        no_notifier,
    )
    step = {"uses": "tell", "config": {"token": "${{ secret('cloud').password }}"}}
    engine = engine_for(WorkDirectory(tmp_path), lambda _: None)
    ended = engine.run(promotion(step), PromotionStatus())
    said = {"text": "logged in with ***", "terraform": True, "cache": "/seen"}
    assert ended.state["step-1"] == said
