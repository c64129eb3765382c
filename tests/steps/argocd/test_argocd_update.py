from __future__ import annotations

from typing import Any

import pytest

from airfreight.errors import RefusedError, RetryableStepError, TerminalStepError
from airfreight.model.promotion import StepStatus
from airfreight.steps.argocd_update import ArgocdUpdateConfig, ArgocdUpdateStep
from tests.argocd_server import COMMIT, TOKEN
from tests.steps.argocd.conftest import PROMOTION, Bench
from tests.steps.examples import example_config
from tests.steps.files import context_at

REPO = "https://git.example.com/shop/gitops.git"
STAGE = "kargo.akuity.io/authorized-stage"
INFO = "kargo.akuity.io/promotion"
AT_COMMIT = {"name": "web", "sources": [{"repoURL": REPO, "desiredRevision": COMMIT}]}


def operation(promotion: str | None, username: str = "alice") -> dict[str, Any]:
    info = [] if promotion is None else [{"name": INFO, "value": promotion}]
    return {"initiatedBy": {"username": username}, "info": info, "sync": {}}


def state(phase: str, promotion: str | None, **fields: Any) -> dict[str, Any]:
    return {
        "status": {"operationState": {"phase": phase, "operation": operation(promotion), **fields}}
    }


def promotions(bench: Bench) -> list[str]:
    """Return which Promotion each operation that was begun is of."""
    return [
        entry["value"]
        for begun in bench.server.begun
        for entry in begun["info"]
        if entry["name"] == INFO
    ]


def test_a_sync_is_begun_waited_for_and_found_done(bench: Bench) -> None:
    bench.server.add()
    first = bench.update(AT_COMMIT)
    assert first.status is StepStatus.RUNNING
    assert first.retry_after is not None
    assert first.retry_after.total_seconds() == 10
    assert first.message.endswith("its sync was begun")
    bench.server.begin()
    assert bench.update(AT_COMMIT).message == (
        'Argo CD Application "web" in namespace "argocd": its sync runs'
    )
    bench.server.finish()
    done = bench.update(AT_COMMIT)
    assert done.status is StepStatus.SUCCEEDED
    assert done.output == first.output == {"apps": [{"name": "web", "namespace": "argocd"}]}
    assert promotions(bench) == [PROMOTION]


def test_what_is_done_stays_done_in_a_second_run(bench: Bench) -> None:
    bench.server.add()
    bench.update()
    bench.server.finish()
    results = {bench.update().status for _ in range(3)}
    assert (results, len(bench.server.begun)) == ({StepStatus.SUCCEEDED}, 1)


def test_a_sync_that_was_asked_for_and_not_begun_is_not_asked_for_again(bench: Bench) -> None:
    bench.server.add()
    assert [bench.update().status for _ in range(3)] == [StepStatus.RUNNING] * 3
    assert len(bench.server.begun) == 1


def test_success_leaves_the_health_check_behind(bench: Bench) -> None:
    bench.server.add()
    assert bench.update(AT_COMMIT).health_check is None
    bench.server.finish()
    assert bench.update(AT_COMMIT).health_check == {
        "uses": "argocd-update",
        "config": {"apps": [{"name": "web", "namespace": "argocd", "desiredRevisions": [COMMIT]}]},
    }


@pytest.mark.parametrize(
    ("before", "message"),
    [
        pytest.param(
            {"operation": operation(None)},
            'the operation that "alice" began has to end first',
            id="a-person's-not-begun",
        ),
        pytest.param(
            state("Running", None), 'that "alice" began has to end first', id="a-person's"
        ),
        pytest.param(
            state("Terminating", None), "has to end first", id="a-person's-that-is-terminated"
        ),
        pytest.param(
            state("Running", "prod.0.old"),
            "the sync of promotion prod.0.old has to end first",
            id="another-promotion's",
        ),
    ],
)
def test_the_operation_of_another_is_waited_for(bench: Bench, before: Any, message: str) -> None:
    bench.server.add(**before)
    result = bench.update()
    assert (result.status, bench.server.begun) == (StepStatus.RUNNING, [])
    assert message in result.message
    bench.server.finish()
    bench.update()
    assert promotions(bench) == [PROMOTION]


@pytest.mark.parametrize(
    "before",
    [
        pytest.param({}, id="none"),
        pytest.param({"status": None}, id="never-looked-at"),
        pytest.param(state("Succeeded", None, syncResult={"revision": COMMIT}), id="a-person's"),
        pytest.param(state("Failed", "prod.0.old"), id="another-promotion's-that-failed"),
        pytest.param(state("Succeeded", PROMOTION), id="own-without-a-result"),
        pytest.param(
            state("Succeeded", PROMOTION, syncResult={"revision": "0ld"}), id="own-of-a-revision"
        ),
        pytest.param(
            state("Failed", PROMOTION, syncResult={"revision": "0ld"}), id="own-failed-at-revision"
        ),
    ],
)
def test_a_sync_is_begun_where_the_last_operation_does_not_count(bench: Bench, before: Any) -> None:
    bench.server.add(**before)
    assert bench.update(AT_COMMIT).status is StepStatus.RUNNING
    assert promotions(bench) == [PROMOTION]
    app = bench.server.apps["argocd", "web"]
    assert "operationState" not in app.get("status", {})


@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_an_own_sync_that_failed_is_an_error_that_says_why(bench: Bench, phase: str) -> None:
    bench.server.add()
    bench.update()
    bench.server.finish(phase, message="one hook failed")
    message = '^Argo CD Application "web" in namespace "argocd" failed with: one hook failed$'
    with pytest.raises(RetryableStepError, match=message):
        bench.update()
    assert len(bench.server.begun) == 1


@pytest.mark.parametrize(("phase", "shown"), [("Odd", "Odd"), ("", "unknown")])
def test_an_operation_of_a_phase_that_nobody_knows_is_an_error(
    bench: Bench, phase: str, shown: str
) -> None:
    bench.server.add(**state(phase, PROMOTION))
    with pytest.raises(RetryableStepError, match=f'an operation of phase "{shown}"'):
        bench.update()
    assert bench.server.begun == []


def test_each_of_several_sources_has_to_be_at_its_revision(bench: Bench) -> None:
    charts = {"repoURL": "https://charts.example.com", "chart": "web", "targetRevision": "1.0"}
    bench.server.add(spec={"source": None, "sources": [charts, {"repoURL": REPO}]})
    wanted = {"name": "web", "sources": [{"repoURL": REPO, "desiredRevision": COMMIT}]}
    bench.update(wanted)
    bench.server.finish(syncResult={"revisions": ["1.0", "0ld"]})
    assert bench.update(wanted).status is StepStatus.RUNNING
    bench.server.finish(syncResult={"revisions": ["1.0", COMMIT]})
    done = bench.update(wanted)
    assert (done.status, len(bench.server.begun)) == (StepStatus.SUCCEEDED, 2)
    assert done.health_check is not None
    assert done.health_check["config"]["apps"][0]["desiredRevisions"] == ["", COMMIT]


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"source": {"repoURL": REPO, "targetRevision": "main"}}, id="one-source"),
        pytest.param(
            {"source": None, "sources": [{"repoURL": "oci://x"}, {"repoURL": REPO}]},
            id="several-sources",
        ),
    ],
)
def test_the_sources_are_changed_before_the_sync(bench: Bench, spec: dict[str, Any]) -> None:
    bench.server.add(spec=spec)
    source = {
        "repoURL": REPO,
        "desiredRevision": COMMIT,
        "updateTargetRevision": True,
        "kustomize": {"images": [{"repoURL": "a", "tag": "1"}]},
        "helm": {"images": [{"key": "k", "value": "v"}]},
    }
    bench.update({"name": "web", "sources": [source]})
    now = bench.server.apps["argocd", "web"]["spec"]
    changed = now["sources"][1] if "sources" in now else now["source"]
    assert changed == {
        **(spec.get("sources", [None, spec["source"]])[1]),
        **({"path": "prod"} if spec["source"] else {}),
        "targetRevision": COMMIT,
        "kustomize": {"images": ["a:1"]},
        "helm": {"parameters": [{"name": "k", "value": "v"}]},
    }
    assert now["project"] == "default"
    assert promotions(bench) == [PROMOTION]


def test_the_sync_has_the_options_and_retries_of_the_sync_policy(bench: Bench) -> None:
    retry = {"limit": 3, "backoff": {"duration": "5s"}}
    policy = {"syncOptions": ["CreateNamespace=true"], "retry": retry}
    bench.server.add(spec={"syncPolicy": policy})
    bench.update()
    (begun,) = bench.server.begun
    assert (begun["sync"]["syncOptions"], begun["retry"]) == (policy["syncOptions"], retry)


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        pytest.param(None, f"it has no annotation {STAGE}", id="none"),
        pytest.param("shop:dev", "does not permit mutation by Stage shop:prod", id="other-stage"),
        pytest.param("web:prod", "does not permit mutation", id="other-project"),
        pytest.param("shop:prod2", "does not permit mutation", id="longer-name"),
        pytest.param("prod", "cannot be parsed", id="no-colon"),
        pytest.param("shop:prod,", "cannot be parsed", id="empty-entry"),
        pytest.param("shop:*", "holds a glob", id="glob-for-the-stage"),
        pytest.param("*:prod", "holds a glob", id="glob-for-the-project"),
        pytest.param("shop:p*", "holds a glob", id="partial-glob"),
    ],
)
def test_an_application_without_the_stage_in_its_annotation_is_not_touched(
    bench: Bench, annotation: str | None, message: str
) -> None:
    bench.server.add(metadata={"annotations": {STAGE: annotation}})
    with pytest.raises(RetryableStepError, match="is not authorized: ") as caught:
        bench.update()
    assert message in str(caught.value)
    assert {request.split()[0] for request in bench.server.asked} == {"GET"}


@pytest.mark.parametrize("annotation", ["shop:prod", "shop:dev,shop:prod", " web:x , shop:prod "])
def test_the_annotation_may_list_several_stages(bench: Bench, annotation: str) -> None:
    bench.server.add(metadata={"annotations": {STAGE: annotation}})
    assert bench.update().status is StepStatus.RUNNING


def test_an_authorization_that_is_withdrawn_in_between_counts(bench: Bench) -> None:
    bench.server.add()
    withdrawn = {"metadata": {"annotations": {STAGE: None}}}
    bench.server.refusing = (500, {"message": "busy"})
    bench.server.meanwhile.append(lambda: bench.server.change(withdrawn))
    with pytest.raises(RetryableStepError, match="does not permit mutation"):
        bench.update()
    assert bench.server.begun == []


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        pytest.param({"matchLabels": {"tier": "web"}}, ["a", "b"], id="label"),
        pytest.param(
            {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["eu", "us"]}]},
            ["a", "b"],
            id="in",
        ),
        pytest.param(
            {"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["eu"]}]},
            ["b", "c"],
            id="not-in",
        ),
        pytest.param(
            {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}, ["a", "b"], id="exists"
        ),
        pytest.param(
            {"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]},
            ["c"],
            id="does-not-exist",
        ),
        pytest.param(
            {
                "matchLabels": {"tier": "web"},
                "matchExpressions": [{"key": "zone", "operator": "In", "values": ["us"]}],
            },
            ["b"],
            id="all-hold",
        ),
    ],
)
def test_a_selector_finds_applications_by_their_labels(
    bench: Bench, selector: dict[str, Any], names: list[str]
) -> None:
    bench.server.add("a", metadata={"labels": {"tier": "web", "zone": "eu"}})
    bench.server.add("b", metadata={"labels": {"tier": "web", "zone": "us"}})
    bench.server.add("c", metadata={"labels": {"tier": "db"}})
    bench.server.add("d", "elsewhere", metadata={"labels": {"tier": "web", "zone": "eu"}})
    result = bench.update({"selector": selector})
    assert result.output == {"apps": [{"name": n, "namespace": "argocd"} for n in names]}
    assert len(bench.server.begun) == len(names)


LABELLED = {"labels": {"tier": "web"}}
BY_LABEL = {"selector": {"matchLabels": {"tier": "web"}}}


def test_of_several_those_that_are_not_authorized_are_passed_over(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.server.add("a", metadata=LABELLED)
    bench.server.add("b", metadata={**LABELLED, "annotations": {STAGE: "shop:dev"}})
    assert bench.update(BY_LABEL).output == {"apps": [{"name": "a", "namespace": "argocd"}]}
    assert 'passed over: Argo CD Application "b"' in caplog.text


@pytest.mark.parametrize(
    ("app", "message"),
    [
        pytest.param(
            {"name": "api"},
            '^unable to find Argo CD Application "api" in namespace "argocd"$',
            id="name",
        ),
        pytest.param({"name": "web", "namespace": "x"}, 'in namespace "x"$', id="namespace"),
        pytest.param(
            {"selector": {"matchLabels": {"tier": "none"}}},
            '^no Argo CD Applications found matching selector in namespace "argocd"$',
            id="selector",
        ),
        pytest.param(
            {"selector": {"matchLabels": {"tier": "db"}}},
            r'^found 2 Application\(s\) matching selector in namespace "argocd", but none are '
            "authorized for Stage shop:prod$",
            id="none-authorized",
        ),
    ],
)
def test_what_is_not_there_is_an_error(bench: Bench, app: dict[str, Any], message: str) -> None:
    bench.server.add()
    for name in ("x", "y"):
        metadata = {"labels": {"tier": "db"}, "annotations": {STAGE: None}}
        bench.server.add(name, metadata=metadata)
    with pytest.raises(RetryableStepError, match=message):
        bench.update(app)


def test_none_of_several_is_changed_where_one_lacks_the_source(bench: Bench) -> None:
    bench.server.add("a", metadata=LABELLED)
    other = {"source": {"repoURL": "https://git.example.com/other"}}
    for name in ("b", "c", "d", "e"):
        bench.server.add(name, metadata=LABELLED, spec=other)
    with pytest.raises(RetryableStepError) as caught:
        bench.update({**BY_LABEL, "sources": [{"repoURL": REPO}]})
    first, *faults = str(caught.value).splitlines()
    assert first == (
        "selected Applications must have compatible sources; 4 incompatible (showing first 3). "
        "No Applications were updated:"
    )
    assert [fault.split('"')[1] for fault in faults] == ["b", "c", "d"]
    assert bench.server.begun == []


def test_an_application_in_another_namespace_is_found(bench: Bench) -> None:
    bench.server.add("web", "team-a")
    output = bench.update({"name": "web", "namespace": "team-a"}).output
    assert output == {"apps": [{"name": "web", "namespace": "team-a"}]}


def test_all_applications_have_to_be_done(bench: Bench) -> None:
    bench.server.add("a")
    bench.server.add("b")
    apps = ({"name": "a"}, {"name": "b"})
    bench.update(*apps)
    bench.server.finish(name="a")
    result = bench.update(*apps)
    assert (result.status, '"a"' in result.message) == (StepStatus.RUNNING, False)
    bench.server.finish(name="b")
    assert bench.update(*apps).status is StepStatus.SUCCEEDED


def test_an_answer_that_got_lost_makes_no_second_sync(bench: Bench) -> None:
    bench.server.add()
    bench.server.losing = 1
    assert bench.update().status is StepStatus.RUNNING
    assert bench.update().status is StepStatus.RUNNING
    assert len(bench.server.begun) == 1


def test_a_process_that_died_after_the_sync_was_taken_makes_no_second_one(bench: Bench) -> None:
    bench.server.add()
    bench.update(AT_COMMIT)
    bench.server.finish()
    again = bench.update(AT_COMMIT)
    assert (again.status, len(bench.server.begun)) == (StepStatus.SUCCEEDED, 1)


def test_a_person_who_syncs_at_the_same_moment_is_waited_for(bench: Bench) -> None:
    bench.server.add()
    bench.server.meanwhile.append(
        lambda: bench.server.change({"operation": operation(None, "bob")})
    )
    result = bench.update()
    assert (result.status, bench.server.begun) == (StepStatus.RUNNING, [])
    assert 'that "bob" began has to end first' in result.message


def test_a_change_of_the_sources_at_the_same_moment_is_not_overwritten(bench: Bench) -> None:
    bench.server.add(spec={"source": {"kustomize": {"namePrefix": "a-"}}})
    renamed = {"spec": {"source": {"kustomize": {"namePrefix": "b-"}}}}
    bench.server.meanwhile.append(lambda: bench.server.change(renamed))
    images = {"images": [{"repoURL": "a", "tag": "1"}]}
    bench.update({"name": "web", "sources": [{"repoURL": REPO, "kustomize": images}]})
    kustomize = bench.server.apps["argocd", "web"]["spec"]["source"]["kustomize"]
    assert kustomize == {"namePrefix": "b-", "images": ["a:1"]}
    assert len(bench.server.begun) == 1


def test_a_server_that_always_refuses_is_an_error_in_the_end(bench: Bench) -> None:
    bench.server.add()
    bench.server.refusing = (500, {"message": f"no luck with {TOKEN}"})
    bench.server.meanwhile += [lambda: bench.server.change({})] * 9
    with pytest.raises(RetryableStepError, match=r"with 500: no luck with \*\*\*$"):
        bench.update()


@pytest.mark.parametrize("status", [400, 403, 503])
def test_a_refusal_that_changed_nothing_is_an_error_at_once(bench: Bench, status: int) -> None:
    bench.server.add()
    bench.server.refusing = (status, {"message": "no"})
    with pytest.raises(RetryableStepError, match=f"answered .* with {status}: no$"):
        bench.update()


def test_a_login_that_is_refused_shows_nowhere(bench: Bench) -> None:
    bench.server.add()
    bench.token = "hunter2/wrong"
    with pytest.raises(RetryableStepError, match=r"with 401: Unauthorized: Bearer \*\*\*$"):
        bench.update()


def test_a_server_that_is_not_there_is_an_error(bench: Bench) -> None:
    bench.server.url = "http://127.0.0.1:9"
    with pytest.raises(RetryableStepError, match="GET request to the server failed: ConnectError"):
        bench.update()


def test_a_project_that_names_no_argocd_cannot_be_helped_by_a_retry(bench: Bench) -> None:
    config = ArgocdUpdateConfig.model_validate({"apps": [{"name": "web"}]})
    with pytest.raises(TerminalStepError, match="annotate its Project with airfreight/argocd-conn"):
        ArgocdUpdateStep().run(config, context_at(bench.root))


def test_no_sync_is_begun_by_a_process_whose_promotion_was_taken_over(bench: Bench) -> None:
    def fenced() -> None:
        raise RefusedError("taken over")

    bench.server.add()
    bench.check_fence = fenced
    with pytest.raises(RefusedError):
        bench.update()
    assert bench.server.begun == []


def test_the_example_of_argocd_update_syncs_to_the_pushed_commit(bench: Bench) -> None:
    config = ArgocdUpdateConfig.model_validate(
        example_config("argocd-update", {"commit": {"commit": COMMIT}})
    )
    bench.server.add("shop-dev")
    stage = {"annotations": {STAGE: "shop:prod"}}
    bench.server.change({"metadata": stage}, "shop-dev")
    ArgocdUpdateStep().run(config, bench.context())
    bench.server.finish(name="shop-dev")
    assert ArgocdUpdateStep().run(config, bench.context()).status is StepStatus.SUCCEEDED
    helm = bench.server.apps["argocd", "shop-dev"]["spec"]["source"]["helm"]
    assert helm == {"parameters": [{"name": "image.tag", "value": "1.2.3"}]}
