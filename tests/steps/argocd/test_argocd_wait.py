from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.model.promotion import StepStatus
from airfreight.steps.argocd_wait import ArgocdWaitConfig, ArgocdWaitStep
from tests.steps.argocd.conftest import Bench
from tests.steps.examples import example_config


def status(health: str = "Healthy", sync: str = "Synced", **more: Any) -> dict[str, Any]:
    return {"health": {"status": health}, "sync": {"status": sync}, **more}


def ended(at: str, looked: str | None) -> dict[str, Any]:
    state = {"phase": "Succeeded", "finishedAt": f"2026-01-01T10:00:{at}Z"}
    reconciled = None if looked is None else f"2026-01-01T10:00:{looked}Z"
    return status(operationState=state, reconciledAt=reconciled)


RUNNING = status(operationState={"phase": "Running"})


@pytest.mark.parametrize(
    ("wait_for", "app", "reason"),
    [
        pytest.param(None, {}, "", id="healthy-synced-idle"),
        pytest.param(None, {"operation": {"sync": {}}}, "an operation runs", id="asked-for"),
        pytest.param(None, {"status": RUNNING}, "an operation runs", id="operation"),
        pytest.param(["health", "sync"], {"status": RUNNING}, "", id="operation-not-asked"),
        pytest.param(["operation"], {"status": status("Degraded", "OutOfSync")}, "", id="idle"),
        pytest.param(None, {"status": ended("05", "05")}, "", id="looked-at-in-that-second"),
        pytest.param(None, {"status": ended("05", "06")}, "", id="looked-at-since"),
        pytest.param(None, {"status": ended("05", "04")}, "older than its last", id="stale"),
        pytest.param(None, {"status": ended("05", None)}, "older than its last", id="never-looked"),
        pytest.param(["suspended"], {"status": ended("05", "04")}, "older", id="stale-suspended"),
        pytest.param(["sync"], {"status": ended("05", "04")}, "", id="stale-not-asked"),
        pytest.param(
            None, {"status": status("Progressing")}, "its health is Progressing", id="progressing"
        ),
        pytest.param(None, {"status": status("")}, "its health is not known", id="no-health"),
        pytest.param(None, {"status": status("Missing")}, "is Missing", id="missing"),
        pytest.param(["suspended"], {"status": status("Suspended")}, "", id="suspended"),
        pytest.param(["suspended"], {}, "its health is Healthy", id="not-suspended"),
        pytest.param(["degraded"], {"status": status("Degraded")}, "", id="degraded"),
        pytest.param(["health", "degraded"], {}, "", id="one-health-of-two"),
        pytest.param(["health", "degraded"], {"status": status("Degraded")}, "", id="the-other"),
        pytest.param(
            None, {"status": status(sync="OutOfSync")}, "sync status is OutOfSync", id="out-of-sync"
        ),
        pytest.param(["health"], {"status": status(sync="OutOfSync")}, "", id="sync-not-asked"),
        pytest.param(
            ["sync"], {"status": status(sync="")}, "sync status is not known", id="no-sync"
        ),
    ],
)
def test_a_step_waits_until_all_conditions_hold(
    bench: Bench, wait_for: list[str] | None, app: dict[str, Any], reason: str
) -> None:
    bench.server.add(**app)
    result = bench.wait({"name": "web", **({"waitFor": wait_for} if wait_for else {})})
    if not reason:
        assert result.status is StepStatus.SUCCEEDED
        return
    assert (result.status, result.retry_after) == (StepStatus.RUNNING, timedelta(seconds=30))
    assert result.message.startswith('Argo CD Application "web" in namespace "argocd": ')
    assert reason in result.message


@pytest.mark.parametrize("kind", ["ComparisonError", "InvalidSpecError"])
@pytest.mark.parametrize("wait_for", [["health"], ["operation"], ["sync"]])
def test_a_faulty_application_is_not_waited_for(
    bench: Bench, kind: str, wait_for: list[str]
) -> None:
    conditions = [{"type": "OrphanedResourceWarning"}, {"type": kind, "message": "bad chart"}]
    bench.server.add(status={"conditions": conditions}, operation={"sync": {}})
    with pytest.raises(TerminalStepError) as caught:
        bench.wait({"name": "web", "waitFor": wait_for})
    assert str(caught.value) == (
        f'Argo CD Application "web" in namespace "argocd" has "{kind}" condition: bad chart'
    )


@pytest.mark.parametrize(
    ("before", "wait_for", "is_end"),
    [
        pytest.param("Healthy", ["health"], True, id="was-healthy"),
        pytest.param("Progressing", ["health"], True, id="was-progressing"),
        pytest.param("Progressing", ["health", "suspended"], True, id="among-others"),
        pytest.param("Degraded", ["health"], False, id="was-so-all-along"),
        pytest.param("Unknown", ["health"], False, id="was-unknown"),
        pytest.param("", ["health"], False, id="first-look"),
        pytest.param("Healthy", ["suspended"], False, id="health-not-asked"),
    ],
)
def test_an_application_that_degrades_while_it_is_waited_for_ends_the_wait(
    bench: Bench, before: str, wait_for: list[str], is_end: bool
) -> None:
    app = {"name": "web", "waitFor": wait_for}
    bench.server.add(status={"health": {"status": before}, "sync": {"status": "OutOfSync"}})
    waiting = {**app, "waitFor": ["health", "sync"]}
    first = bench.wait(waiting)
    bench.server.change({"status": {"health": {"status": "Degraded"}}})
    if is_end:
        with pytest.raises(TerminalStepError, match=f"has regressed from {before} to Degraded$"):
            bench.wait(app, previous=first.output)
    else:
        result = bench.wait(app, previous=first.output)
        assert result.status is StepStatus.RUNNING


def test_the_output_says_which_applications_and_how_healthy(bench: Bench) -> None:
    bench.server.add("a", metadata={"labels": {"tier": "web"}})
    bench.server.add(
        "b", metadata={"labels": {"tier": "web"}}, status={"health": {"status": "Progressing"}}
    )
    result = bench.wait(
        {"selector": {"matchLabels": {"tier": "web"}}},
        previous={"healthStatus": {"argocd/gone": "Healthy"}},
    )
    assert result.output == {
        "apps": [{"name": "a", "namespace": "argocd"}, {"name": "b", "namespace": "argocd"}],
        "healthStatus": {
            "argocd/a": "Healthy",
            "argocd/b": "Progressing",
            "argocd/gone": "Healthy",
        },
    }
    assert result.health_check is None


def test_stale_health_asks_for_a_refresh_and_the_next_look_counts(rest: Bench) -> None:
    rest.server.add(status=ended("05", "04"))
    assert rest.wait().status is StepStatus.RUNNING
    assert rest.wait().status is StepStatus.SUCCEEDED


def test_through_kubernetes_stale_health_asks_for_a_hard_refresh(cluster: Bench) -> None:
    cluster.server.add(status=ended("05", "04"))
    cluster.wait()
    annotations = cluster.server.apps["argocd", "web"]["metadata"]["annotations"]
    assert annotations["argocd.argoproj.io/refresh"] == "hard"


def test_a_login_that_may_only_read_waits_all_the_same(
    cluster: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.server.add(status=ended("05", "04"))
    cluster.server.refusing = (403, {"message": "forbidden"})
    assert cluster.wait().status is StepStatus.RUNNING
    assert "could not be refreshed: the server answered PATCH with 403: forbidden" in caplog.text


def test_waiting_needs_no_authorization(bench: Bench) -> None:
    bench.server.add(metadata={"annotations": None})
    assert bench.wait().status is StepStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("app", "message"),
    [
        ({"name": "api"}, '^unable to find Argo CD Application "api" in namespace "argocd"$'),
        ({"selector": {"matchLabels": {"a": "b"}}}, "^no Argo CD Applications found matching"),
    ],
    ids=["name", "selector"],
)
def test_what_is_not_there_cannot_be_waited_for(
    bench: Bench, app: dict[str, Any], message: str
) -> None:
    with pytest.raises(RetryableStepError, match=message):
        bench.wait(app)


def test_a_second_run_looks_again(bench: Bench) -> None:
    bench.server.add()
    assert bench.wait() == bench.wait()
    assert bench.server.begun == []


def test_the_example_of_argocd_wait_waits_for_all_of_the_stage(bench: Bench) -> None:
    config = ArgocdWaitConfig.model_validate(example_config("argocd-wait"))
    bench.server.add("a", metadata={"labels": {"stage": "dev"}})
    bench.server.add("b", metadata={"labels": {"stage": "dev"}}, operation={"sync": {}})
    assert ArgocdWaitStep().run(config, bench.context()).status is StepStatus.RUNNING
    bench.server.change({"operation": None}, "b")
    assert ArgocdWaitStep().run(config, bench.context()).status is StepStatus.SUCCEEDED
