"""Messages and audit events through the engine of a deployment: Connections, settings, the register."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airfreight.hooks.notifier_runner import NotifierRunner
from airfreight.hooks.step_context import engine_maker
from airfreight.manifests.project import load_project
from airfreight.model.promotion import PromotionPhase, PromotionStatus
from airfreight.runtime.fence import Fence
from airfreight.runtime.objects import ProjectObjects
from airfreight.runtime.stage_register import StageRegister
from airfreight.steps.base import NoOperators
from airfreight.steps.installed import step_registry
from airfreight.steps.workdir import WorkDirectory
from tests.mail_server import MailServer
from tests.runtime.memory import MemoryStore
from tests.runtime.step_kinds import promotion

LOGIN = {"conn_type": "generic", "login": "robot", "password": "hunter2"}
SERVER = {
    **LOGIN,
    "conn_type": "smtp",
    "host": "127.0.0.1",
    "extra": {"disable_tls": True, "disable_ssl": True},
}
SMTP = {"smtp": "airflow.providers.smtp.notifications.smtp.SmtpNotifier"}
JINJA = "fix {{ 7 * 7 }} {{ conn.airfreight_shop_smtp.password }}"
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
---
apiVersion: ee.kargo.akuity.io/v1alpha1
kind: MessageChannel
metadata: {name: airflow}
spec:
  notifier:
    name: smtp
    messageArg: html_content
    args: {to: team@example.com, from_email: kargo@example.com, subject: told, smtp_conn_id: airfreight_shop_smtp}
"""
STEPS = (
    {
        "uses": "send-message",
        "config": {"channel": {"kind": "MessageChannel", "name": "team"}, "message": "hi"},
    },
    {
        "uses": "send-message",
        "config": {"channel": {"kind": "MessageChannel", "name": "airflow"}, "message": JINJA},
    },
    {
        "uses": "record-audit-event",
        "config": {"message": "told", "data": {"password": "${{ secret('mail').password }}"}},
    },
)


def test_steps_open_channels_by_connections_and_record_events_without_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AIRFREIGHT_SHOP_MAIL", json.dumps(LOGIN))
    for setting in ("ALLOW_LOOPBACK", "ALLOW_CREDENTIALS_OVER_HTTP"):
        monkeypatch.setenv(f"AIRFLOW__AIRFREIGHT__{setting}", "True")
    register = StageRegister(MemoryStore())
    fence = Fence(register, "token")
    fence.enter()
    with MailServer(user=("robot", "hunter2")) as server:
        smtp = json.dumps({**SERVER, "port": server.port})
        monkeypatch.setenv("AIRFLOW_CONN_AIRFREIGHT_SHOP_SMTP", smtp)
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / "all.yaml").write_text(MANIFESTS.replace("@PORT@", str(server.port)))
        project = load_project(tmp_path, "shop", step_registry())
        log = logging.getLogger("test")
        engine_for = engine_maker(
            project,
            step_registry(),
            lambda: datetime.now(UTC),
            log,
            fence,
            ProjectObjects(MemoryStore(), ("dev",), {}),
            NoOperators(),
            NotifierRunner(SMTP, project.connections, {}, log).notify,
        )
        engine = engine_for(WorkDirectory(tmp_path), lambda status: None)
        status = engine.run(promotion(*STEPS), PromotionStatus())
    assert (status.phase, status.message) == (PromotionPhase.SUCCEEDED, "")
    ours, airflows = server.mails
    assert ours.get_content().strip() == "hi"
    (html,) = airflows.iter_parts()
    assert html.get_content().strip() == JINJA
    assert status.state["step-2"] == {"notifier": {"name": "smtp"}}
    (event,) = register.events()
    assert (event.actor, event.data) == ("alice", {"password": "***"})
