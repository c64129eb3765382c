"""Steps that wait for people and for operators of Airflow, in the middle of a promotion."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.live.manifests import auto, project, stage, warehouse
from tests.live.terminal import airfreight
from tests.live.world import World, eventually, run_id_of
from tests.mail_server import MailServer
from tests.pod_server import PodServer, running_pod_server

PROJECT = "waits"
PIPELINE = f"{PROJECT}.pipeline.app"

TEMPLATE = """\
      steps:
      - uses: wait-for-approval
        as: approve
        config:
          minApprovals: 2
          approvers:
          - {role: leads, required: true}
          - {claim: sub, value: bob}
      - uses: airflow
        as: arrives
        config:
          operator: file
          args: {filepath: arrived, fs_conn_id: airfreight_shared_files, deferrable: true, poke_interval: 5}
      - uses: airflow
        as: check
        config:
          operator: sql-check
          args:
            conn_id: airfreight_shared_warehouse
            sql: select count(*) > 0 from releases where version = :version
            parameters: {version: "${{ quote('1.7') }}"}
      - uses: airflow
        as: dbt
        config:
          operator: bash
          args:
            env: {VERSION: "${{ quote('1.7') }}"}
            bash_command: echo "dbt run $VERSION {{ ds }}"
      - uses: airflow
        as: export
        config:
          operator: pod
          args:
            kubernetes_conn_id: airfreight_shared_pods
            namespace: exports
            image: exporter:1
            arguments: ["${{ quote('1.7') }}"]
            deferrable: true
"""

ASKS = """\
      steps:
      - uses: wait-for-approval"""

FORM = """\
      steps:
      - uses: get-user-input
        as: release
        config:
          responders: [{role: leads}]
          schema:
            type: object
            required: [version]
            properties:
              version: {type: string, pattern: "^[0-9]+$"}
              note: {type: string}
      - uses: compose-output
        as: notes
        config: {text: "${{ outputs.release.values.version + ' by ' + outputs.release.respondedBy }}"}
      - uses: send-message
        config:
          message: "${{ outputs.notes.text }} {{ ds }}"
          channel: {kind: MessageChannel, name: people}"""

CHANNEL = """\
---
apiVersion: ee.kargo.akuity.io/v1alpha1
kind: MessageChannel
metadata: {name: people}
spec:
  notifier:
    name: mail
    messageArg: html_content
    args: {smtp_conn_id: airfreight_shared_mail, from_email: kargo@example.com, to: team@example.com, subject: out}
"""


@pytest.fixture(scope="module")
def mailbox() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def pods(world: World, mailbox: MailServer) -> Iterator[PodServer]:
    """Serve Kubernetes' API, with a Connection to it and to what the other operators and the notifier need."""
    with running_pod_server() as server:
        connections = {
            "mail": {
                "conn_type": "smtp",
                "host": "127.0.0.1",
                "port": mailbox.port,
                "extra": json.dumps({"disable_tls": True, "disable_ssl": True}),
            },
            "files": {"conn_type": "fs", "extra": json.dumps({"path": str(world.folder)})},
            "warehouse": {"conn_type": "sqlite", "host": str(world.folder / "warehouse.db")},
            "pods": {
                "conn_type": "kubernetes",
                "extra": json.dumps({"kube_config": server.kube_config}),
            },
        }
        ids = {name: f"airfreight_shared_{name}" for name in connections}
        for name, parts in connections.items():
            made = world.rest.post(
                "/api/v2/connections", json={"connection_id": ids[name], **parts}
            )
            assert made.status_code == 201, made.text
        yield server
        for connection_id in ids.values():
            world.rest.delete(f"/api/v2/connections/{connection_id}").raise_for_status()


@pytest.fixture(scope="module")
def run(world: World, pods: PodServer) -> str:
    """Return a run whose promotions to prod, asked and filled wait for people."""
    with sqlite3.connect(world.folder / "warehouse.db") as database:
        database.execute("create table if not exists releases (version text)")
        database.execute("insert into releases values ('1.7')")
    world.registry.push_image("waits/app", "1.0.0", created=datetime.now(UTC))
    manifests = project(PROJECT, auto("prod", "asked", "filled")) + warehouse("app", "waits/app")
    manifests += stage("prod", ["app"], "direct: true", TEMPLATE)
    manifests += stage("asked", ["app"], "direct: true", ASKS)
    manifests += stage("filled", ["app"], "direct: true", FORM) + CHANNEL
    world.add_project(PROJECT, manifests)
    world.unpause(PIPELINE)
    world.unpause(f"{PROJECT}.warehouse.app")
    return run_id_of(world.wait_for_freight(PROJECT, 1))


def promotion(world: World, run: str, name: str = "prod") -> dict[str, Any]:
    """Return how far the run's Promotion got."""
    register = world.register(f"airfreight://{PROJECT}/stages/{name}/register")
    found: dict[str, Any] = register[f"promotion/{register[f'run/{run}']['promotion']}"]["status"]
    return found


@dataclass(frozen=True)
class Asking:
    """The first step of a Stage's promotion, which asks people."""

    world: World
    run: str
    stage: str

    @property
    def task(self) -> str:
        return f"{self.stage}.promote"

    @property
    def taken(self) -> int:
        """How many answers the step was given."""
        executions = promotion(self.world, self.run, self.stage)["executions"]
        return int(executions[0]["deliveries"]) if executions else 0

    def answer(self, user: str, option: str, **fields: Any) -> None:
        """Answer as this user, and again where Airflow lost the answer while the task parked."""
        before = self.taken
        for _ in range(4):
            self.world.wait_for_state(PIPELINE, self.run, self.task, "awaiting_input")
            time.sleep(3)
            answered = self.patch(user, option, fields)
            assert answered.status_code == 200, answered.text
            if self.took_more_than(before):
                return
        raise AssertionError(f"{self.stage} took no answer")

    def patch(self, user: str, option: str, fields: dict[str, Any]) -> httpx.Response:
        """Send what Required Actions sends."""
        run = f"/api/v2/dags/{PIPELINE}/dagRuns/{quote(self.run)}"
        with self.world.stack.api(user) as client:
            return client.patch(
                f"{run}/taskInstances/{self.task}/-1/hitlDetails",
                json={"chosen_options": [option], "params_input": fields},
            )

    def took_more_than(self, before: int) -> bool:
        try:
            return eventually(lambda: self.taken > before, 60)
        except AssertionError:
            return False


def test_two_people_approve_in_the_middle_of_a_promotion(world: World, run: str) -> None:
    """Guard: `WaitForApprovalStep`, its tally in the register, and who is let to answer."""
    prod = Asking(world, run, "prod")
    world.wait_for_state(PIPELINE, run, prod.task, "awaiting_input")
    asked = world.request(PIPELINE, run, prod.task)
    assert asked["subject"].startswith("prod, step approve for ")
    assert "waits/app" in asked["body"]
    assert {user["id"] for user in asked["assigned_users"]} == {"alice", "bob"}
    assert prod.patch("admin", "Approve", {}).status_code == 403
    prod.answer("bob", "Approve", message="fine")
    assert (
        promotion(world, run)["message"] == "waiting for approval, 1 of 2 (bob): missing role leads"
    )
    prod.answer("bob", "Approve")
    assert len(promotion(world, run)["state"]["approve"]["responses"]) == 1
    prod.answer("alice", "Approve")
    eventually(lambda: promotion(world, run)["executions"][0]["status"] == "Succeeded")


def test_operators_defer_and_put_out_what_they_push(
    world: World, run: str, pods: PodServer
) -> None:
    """Guard: `OperatorRunner`: the operator's own trigger, its resume, its XCom, and no Jinja."""
    wait_for_trigger(world, run, ".FileTrigger")
    (world.folder / "arrived").touch()
    wait_for_trigger(world, run, ".KubernetesPodTrigger")
    pods.finished.set()
    world.wait_for_state(PIPELINE, run, "prod.promote", "success")
    status = promotion(world, run)
    assert [e["status"] for e in status["executions"]] == ["Succeeded"] * 5
    assert status["state"]["dbt"] == {"return_value": "dbt run 1.7 {{ ds }}"}
    (pod,) = pods.made
    assert pod["spec"]["containers"][0]["args"] == ["1.7"]
    assert status["state"]["export"]["pod_name"] == pod["metadata"]["name"]
    assert pods.deleted == [pod["metadata"]["name"]]


def wait_for_trigger(world: World, run: str, kind: str) -> None:
    """Wait until the promotion is deferred with a trigger of this kind, and as long as Airflow needs to see it."""

    def waits() -> bool:
        source = str((promotion(world, run).get("waitsFor") or {}).get("source"))
        return source.endswith(kind) and world.states(PIPELINE, run)["prod.promote"] == "deferred"

    eventually(waits, explain=lambda: str(promotion(world, run)))
    time.sleep(3)


def test_a_person_fills_in_values_that_later_steps_use(
    world: World, run: str, mailbox: MailServer
) -> None:
    """Guards: `GetUserInputStep`, which takes no values but those that fit, and asks again; `NotifierRunner`, which
    gives a message to an Airflow notifier and has no Jinja rendered in it."""
    filled = Asking(world, run, "filled")
    world.wait_for_state(PIPELINE, run, filled.task, "awaiting_input")
    asked = world.request(PIPELINE, run, filled.task)
    assert {name: one["schema"]["type"] for name, one in asked["params"].items()} == {
        "version": "string",
        "note": ["string", "null"],
    }
    filled.answer("alice", "Submit", version="newest", note=None)
    assert "does not match" in promotion(world, run, "filled")["message"]
    filled.answer("alice", "Submit", version="17", note=None)
    world.wait_for_state(PIPELINE, run, filled.task, "success")
    state = promotion(world, run, "filled")["state"]
    assert (state["release"]["values"], state["notes"]) == (
        {"version": "17"},
        {"text": "17 by alice"},
    )
    (mail,) = mailbox.mails
    assert [part.get_content().strip() for part in mail.iter_parts()] == ["17 by alice {{ ds }}"]


def test_a_promotion_that_waits_for_a_person_is_aborted(world: World, run: str) -> None:
    """Guard: `awaiting_input` among the states that `airfreight abort` wakes."""
    world.wait_for_state(PIPELINE, run, "asked.promote", "awaiting_input")
    code, _, err = airfreight(world, PROJECT, "abort", "--stage", "asked", "--reason", "late")
    assert code == 0, err
    world.wait_for_state(PIPELINE, run, "asked.promote", "failed")
    status = promotion(world, run, "asked")
    assert (status["phase"], status["message"]) == ("Aborted", "aborted by admin: late")
    assert world.wait_for_run(PIPELINE, run) == "failed"
