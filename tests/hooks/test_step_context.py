"""What a promotion's steps get from a deployment, without a running Airflow: Connections, settings, the register."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from airfreight.hooks.step_context import engine_maker
from airfreight.manifests.project import load_project
from airfreight.model.promotion import PromotionPhase, PromotionStatus
from airfreight.runtime.fence import Fence
from airfreight.runtime.objects import ProjectObjects
from airfreight.runtime.stage_register import StageRegister
from airfreight.steps.base import NoOperators, StepContext, StepResult
from airfreight.steps.installed import step_registry
from airfreight.steps.registry import StepRegistry
from airfreight.steps.workdir import WorkDirectory
from tests.mail_server import MailServer
from tests.runtime.memory import MemoryStore
from tests.runtime.step_kinds import START, AnyConfig, EchoStep, promotion

LOGIN = {"conn_type": "generic", "login": "robot", "password": "hunter2"}
MANIFESTS = """\
apiVersion: v1
kind: Secret
metadata:
  name: mail
  labels: {kargo.akuity.io/cred-type: generic}
  annotations: {airfreight/connection: airfreight_shop_mail}
---
apiVersion: ee.kargo.akuity.io/v1alpha1
kind: MessageChannel
metadata: {name: team}
spec:
  secretRef: {name: mail}
  smtp: {from: kargo@example.com, to: [team@example.com], host: 127.0.0.1, port: @PORT@, useTLS: false}
"""
STEPS = (
    {
        "uses": "send-message",
        "config": {"channel": {"kind": "MessageChannel", "name": "team"}, "message": "hi"},
    },
    {
        "uses": "record-audit-event",
        "config": {"message": "told", "data": {"password": "${{ secret('mail').password }}"}},
    },
)


class TellingStep(EchoStep):
    """Puts out its config as a program might print it, with what the deployment says."""

    kind = "tell"

    def run(self, config: AnyConfig, context: StepContext) -> StepResult:
        text = context.redact(f"logged in with {(config.model_extra or {})['token']}")
        return StepResult(output={"text": text, "terraform": context.settings.allow_terraform})


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StageRegister:
    """Return the Stage's register; the Connection of `MANIFESTS` is in the environment."""
    monkeypatch.setenv("AIRFLOW_CONN_AIRFREIGHT_SHOP_MAIL", json.dumps(LOGIN))
    (tmp_path / "shop").mkdir()
    return StageRegister(MemoryStore())


def run(
    folder: Path,
    port: int,
    registry: StepRegistry,
    register: StageRegister,
    *steps: dict[str, object],
) -> PromotionStatus:
    (folder / "shop" / "all.yaml").write_text(MANIFESTS.replace("@PORT@", str(port)))
    fence = Fence(register, "token")
    fence.enter()
    engine_for = engine_maker(
        load_project(folder, "shop", registry),
        registry,
        lambda: START,
        logging.getLogger("test"),
        fence,
        ProjectObjects(MemoryStore(), ("dev",), {}),
        NoOperators(),
    )
    engine = engine_for(WorkDirectory(folder), lambda status: None)
    return engine.run(promotion(*steps), PromotionStatus())


def test_a_step_can_hide_the_passwords_of_its_config_and_knows_what_is_allowed(
    tmp_path: Path, register: StageRegister, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AIRFREIGHT__ALLOW_TERRAFORM", "true")
    step = {"uses": "tell", "config": {"token": "${{ secret('mail').password }}"}}
    ended = run(tmp_path, 25, StepRegistry([TellingStep()]), register, step)
    assert ended.state["step-1"] == {"text": "logged in with ***", "terraform": True}


def test_steps_open_channels_by_connections_and_record_events_without_passwords(
    tmp_path: Path, register: StageRegister, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in ("ALLOW_LOOPBACK", "ALLOW_CREDENTIALS_OVER_HTTP"):
        monkeypatch.setenv(f"AIRFLOW__AIRFREIGHT__{setting}", "True")
    with MailServer(user=("robot", "hunter2")) as server:
        status = run(tmp_path, server.port, step_registry(), register, *STEPS)
    assert (status.phase, status.message) == (PromotionPhase.SUCCEEDED, "")
    assert [mail.get_content().strip() for mail in server.mails] == ["hi"]
    (event,) = register.events()
    assert (event.actor, event.data) == ("alice", {"password": "***"})
