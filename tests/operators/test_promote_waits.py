"""A promotion that waits for people and for an operator's trigger: Airflow's part is played by a register in memory.

The DAG, the operator, the engine and the steps are real, and so are the operators and notifiers that steps run.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.triggers.file import FileTrigger
from airflow.sdk.exceptions import AirflowException, TaskAwaitingInput, TaskDeferred
from airflow.sdk.execution_time import task_runner

from airfreight.compile.project import project_dags
from airfreight.model.promotion import Promotion, PromotionPhase, PromotionStatus
from airfreight.operators.promote import PromoteOperator
from airfreight.runtime.inflate import inflate
from airfreight.runtime.records import PromotionRecord, RunRecord
from airfreight.runtime.stage_register import StageRegister
from airfreight.runtime.warehouse_register import WarehouseRegister
from tests.hooks.notifiers import ChatNotifier
from tests.runtime.memory import MemoryStore, content

MANIFESTS = """\
apiVersion: kargo.akuity.io/v1alpha1
kind: Project
metadata: {name: shop}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Warehouse
metadata: {name: web}
spec: {subscriptions: [{image: {repoURL: registry.example/web}}]}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Stage
metadata: {name: prod}
spec:
  requestedFreight:
  - origin: {kind: Warehouse, name: web}
    sources: {direct: true}
  promotionTemplate:
    spec:
      steps:
      - uses: wait-for-approval
        as: approve
        config:
          minApprovals: 2
          approvers: [{role: leads, required: true}, {claim: sub, value: bob}]
      - uses: airflow
        as: arrives
        config:
          operator: file
          args: {filepath: "@ARRIVED@", fs_conn_id: airfreight_shared_files, deferrable: true}
      - uses: airflow
        as: dbt
        config:
          operator: bash
          args:
            env: {VERSION: "1.10"}
            bash_command: echo "dbt run $VERSION {{ ds }}"
      - uses: send-message
        as: tell
        config:
          channel: {kind: MessageChannel, name: chat}
          message: ${{ ctx.stage }} has {{ ds }}
---
apiVersion: ee.kargo.akuity.io/v1alpha1
kind: MessageChannel
metadata: {name: chat}
spec:
  notifier: {name: chat, messageArg: text}
"""
OPERATORS = {
    "bash": "airflow.providers.standard.operators.bash.BashOperator",
    "file": "airflow.providers.standard.sensors.filesystem.FileSensor",
}
NOTIFIERS = {"chat": "tests.hooks.notifiers.ChatNotifier"}
RUN = "calm-otter-0123456789ab"


class Supervisor:
    """Takes what a task sends; of requests it keeps the words."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    def send(self, msg: Any) -> None:
        if hasattr(msg, "subject"):
            self.requests.append(msg)


class Accessor(MemoryStore):
    """A MemoryStore as a task's context has it."""

    def get(self, key: str, default: Any = None) -> Any:
        found = super().get(key)
        return default if found is None else found


class Site:
    """A Stage whose promotion has begun, and the task that carries it out."""

    def __init__(self, folder: Path, supervisor: Supervisor) -> None:
        (folder / "shop").mkdir()
        manifests = MANIFESTS.replace("@ARRIVED@", str(folder / "arrived"))
        (folder / "shop" / "project.yaml").write_text(manifests)
        dags = {dag.dag_id: dag for dag in project_dags(folder, "shop")}
        self._task: Any = dags["shop.pipeline.web"].get_task("prod.promote")
        self._runtime = self._task.runtime
        assets = self._runtime.assets
        self._stores = {
            a: Accessor() for a in (*self._runtime.inlets_of(self._stage), assets.metadata)
        }
        self._events: dict[Any, list[Any]] = {}
        web = WarehouseRegister(self._stores[assets.warehouses["web"]])
        self._freight, _ = web.register(content("1.0.0"), datetime.now(UTC))
        self.register = StageRegister(self._stores[assets.stage_registers["prod"]])
        self.requests = supervisor.requests
        self.arrived = folder / "arrived"
        self._begin()
        self.next_try(1)

    @property
    def _stage(self) -> Any:
        return self._runtime.stage("prod")

    def _begin(self) -> None:
        now = datetime.now(UTC)
        steps, variables = inflate(self._stage, self._runtime.project.find_task)
        made = Promotion(
            name="prod.01.x",
            project="shop",
            stage="prod",
            freight=self._freight.name,
            freight_collection={self._freight.content.origin.key: self._freight},
            steps=steps,
            vars=variables,
            started_at=now,
        )
        status = PromotionStatus(phase=PromotionPhase.RUNNING, started_at=now)
        record = PromotionRecord(promotion=made, status=status, dag_id="d", run_id=RUN)
        self.register.begin(record, RunRecord(nonce="n", promotion=made.name, max_tries=10))

    def next_try(self, number: int) -> None:
        """Begin a try of the task, as Airflow does after one that failed."""
        self._instance = SimpleNamespace(
            id=uuid.uuid4(),
            try_number=number,
            max_tries=10,
            task_id="prod.promote",
            xcom_pull=lambda **_: {"name": self._freight.name},
            xcom_push=lambda **_: None,
        )

    def _context(self) -> Any:
        announced = SimpleNamespace(add=lambda asset, extra: None)
        outlets = dict.fromkeys(self._runtime.assets.aliases.values(), announced)
        return {
            "dag_run": SimpleNamespace(
                run_id=RUN, dag_id="d", conf={"freight": self._freight.name}
            ),
            "ti": self._instance,
            "asset_state_store": self._stores,
            "outlet_events": outlets,
        }

    def enter(self) -> Any:
        return self._operator().execute(self._context())

    def back(self, parked: Any, event: Any) -> Any:
        """Come back from where the task parked, with what Airflow brings."""
        arguments = {**parked.kwargs, "event": event}
        return self._operator().resume_execution(parked.method_name, arguments, self._context())

    def fail_trigger(self) -> Any:
        failure = {"error": "Trigger timeout"}
        return self._operator().resume_execution("__fail__", failure, self._context())

    def _operator(self) -> PromoteOperator:
        # Every entry is a process of its own.
        return PromoteOperator(
            task_id="promote", runtime=self._runtime, stage_name="prod", behind=[]
        )

    @property
    def status(self) -> PromotionStatus:
        record = self.register.promotion("prod.01.x")
        assert record is not None
        return record.status


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Return the site; its settings and the line to the supervisor are where Airflow looks for them."""
    files = {"conn_type": "fs", "extra": {"path": "/"}}
    for name, value in {
        "AIRFLOW_CONN_AIRFREIGHT_SHARED_FILES": files,
        "AIRFLOW__AIRFREIGHT__OPERATORS": OPERATORS,
        "AIRFLOW__AIRFREIGHT__NOTIFIERS": NOTIFIERS,
        "AIRFLOW__AIRFREIGHT__ROLES": {"leads": ["alice"]},
    }.items():
        monkeypatch.setenv(name, json.dumps(value))
    monkeypatch.setenv("AIRFLOW__AIRFREIGHT__WORKSPACE_FOLDER", str(tmp_path / "work"))
    supervisor = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return Site(tmp_path, supervisor)


def said(user: str, option: str, **fields: Any) -> dict[str, Any]:
    return {
        "chosen_options": [option],
        "params_input": fields,
        "responded_at": datetime.now(UTC),
        "responded_by_user": {"id": user, "name": user},
        "timedout": False,
    }


LOOK = {"error": "passed", "error_type": "timeout"}


def parked(call: Callable[[], Any]) -> Any:
    with pytest.raises(TaskAwaitingInput) as waits:
        call()
    return waits.value


def deferred(call: Callable[[], Any]) -> Any:
    with pytest.raises(TaskDeferred) as waits:
        call()
    return waits.value


def approve(site: Site) -> Any:
    """Let both approve; return how the task parks for the operator that comes next."""
    first = parked(site.enter)
    second = parked(lambda: site.back(first, said("bob", "Approve")))
    return deferred(lambda: site.back(second, said("alice", "Approve")))


def test_a_promotion_goes_on_at_the_step_that_asked(site: Site) -> None:
    waits = parked(site.enter)
    assert waits.timeout == timedelta(hours=1)
    assert site.requests[0].subject.startswith("prod, step approve for ")
    assert [user.id for user in site.requests[0].assigned_users] == ["alice", "bob"]
    waits = parked(lambda: site.back(waits, LOOK))
    assert len(site.requests) == 1
    waits = parked(lambda: site.back(waits, said("bob", "Approve")))
    # Airflow keeps the answer until the request is made again.
    assert len(site.requests) == 2
    assert site.status.message == "waiting for approval, 1 of 2 (bob): missing role leads"
    deferred(lambda: site.back(waits, said("alice", "Approve")))
    assert site.status.executions[0].message == "approved by bob, alice"


def test_a_rejection_ends_the_promotion(site: Site) -> None:
    waits = parked(site.enter)
    with pytest.raises(AirflowException, match="ended Failed: rejected by bob: not today"):
        site.back(waits, said("bob", "Reject", message="not today"))
    assert site.status.phase is PromotionPhase.FAILED


def test_an_answer_that_airflow_lost_is_asked_for_again(site: Site) -> None:
    """The try failed between the answer and the task's return: the next one knows nothing of it."""
    parked(site.enter)
    site.next_try(2)
    parked(site.enter)
    first, second = site.requests
    assert first.subject == second.subject
    assert site.status.executions[0].deliveries == 0


def test_an_operator_defers_with_its_own_trigger_and_a_notifier_tells(site: Site) -> None:
    waits = approve(site)
    assert isinstance(waits.trigger, FileTrigger)
    assert site.status.waits_for is not None
    site.arrived.touch()
    result = site.back(waits, True)
    assert result["outputs"]["dbt"] == {"return_value": "dbt run 1.10 {{ ds }}"}
    assert ChatNotifier.sent.pop() == ("prod has {{ ds }}", "general", "prod.promote")
    assert site.status.phase is PromotionPhase.SUCCEEDED


def test_a_trigger_that_times_out_is_told_to_the_operator_that_waits(site: Site) -> None:
    approve(site)
    with pytest.raises(AirflowException, match="file failed: Trigger timeout"):
        site.fail_trigger()
    # A sensor makes a time-out of its own of that, which is no error that may pass.
    assert site.status.phase is PromotionPhase.FAILED


def test_an_operator_takes_no_persons_words_for_its_triggers(site: Site) -> None:
    waits = approve(site)
    with pytest.raises(AirflowException, match="a request whose step is over"):
        site.back(waits, said("bob", "Submit", version="2"))
