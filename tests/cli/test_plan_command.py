"""`airfreight plan`: what a promotion would commit, where it would stop; against a Git server that takes no push."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airfreight.model.freight import FreightOrigin
from airfreight.steps.builtin import builtin_steps
from tests.cli.plan_desk import PASSWORD, Desk, environment, step
from tests.git_http import GitHttpServer
from tests.runtime.memory import Pipeline

PUSH = step("git-push", "push", path="work")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Give a desk; whatever a test plans there, nothing may be pushed and no work directory may be left."""
    for name, value in environment(tmp_path / "work").items():
        monkeypatch.setenv(name, value)
    with GitHttpServer(tmp_path / "repositories", "ci", PASSWORD) as server:
        desk = Desk(tmp_path, server)
        yield desk
        assert desk.traces() == (0, [])


def test_a_plan_shows_the_diff_and_the_message_and_stops_at_the_push(desk: Desk) -> None:
    alias, name = desk.freight.alias, desk.freight.name
    code, out, err = desk.plan([*desk.edit(), PUSH])
    assert (code, err) == (0, "")
    assert (
        out
        == f"""\
Plan: Freight {alias} ({name[:12]}) to Stage prod of project shop
Artifacts: registry.example/web:1.2.3
Now in prod: nothing of Warehouse/web
Available: verified in dev

STEP    USES         RESULT      WHY
clone   git-clone    Succeeded   -
update  yaml-update  Succeeded   -
commit  git-commit   Succeeded   -
push    git-push     stops here  see below

Stops at push (git-push): it pushes to the repository

Checkout work, branch main of {desk.url}
Commit:
    Promote {alias} to prod
diff --git a/prod/values.yaml b/prod/values.yaml
index 48152b6..c39996d 100644
--- a/prod/values.yaml
+++ b/prod/values.yaml
@@ -1,2 +1,2 @@
 image:
-  tag: 1.0.0
+  tag: 1.2.3
"""
    )
    assert desk.server.read("gitops", "main", "prod/values.yaml").endswith("tag: 1.0.0")


WORKFLOW = {"repoURL": "https://git.example.com/shop/gitops.git"}
REPOSITORY = {**WORKFLOW, "provider": "github"}
UPDATES = [{"kind": "Stage", "name": "prod", "values": {"region": "eu"}}]
CHANNEL = {"kind": "MessageChannel", "name": "${{ ctx.stage }}"}
EFFECTS: dict[str, dict[str, Any]] = {
    "airflow": {"operator": "bash", "args": {"bash_command": "true"}},
    "argocd-update": {"apps": [{"name": "shop"}]},
    "argocd-wait": {"apps": [{"name": "shop"}]},
    "get-user-input": {"schema": {"type": "object", "properties": {"note": {"type": "string"}}}},
    "gha-dispatch-workflow": {**WORKFLOW, "workflowFile": "build.yaml", "ref": "main"},
    "gha-wait-for-workflow": {**WORKFLOW, "runID": 1},
    "git-merge-pr": {**REPOSITORY, "prNumber": 1},
    "git-open-pr": {**REPOSITORY, "sourceBranch": "promote", "targetBranch": "main"},
    "git-push": {"path": "work"},
    "git-wait-for-pr": {**REPOSITORY, "prNumber": 1},
    "github-push": {"path": "work"},
    "http": {"url": "API/notify", "method": "POST", "body": "on its way"},
    "oci-push": {"srcRef": "registry.example/web:1.2.3", "destRef": "registry.example/prod:1.2.3"},
    "record-audit-event": {"message": "on its way"},
    "send-message": {"channel": CHANNEL, "message": "on its way"},
    "set-freight-alias": {"name": "${{ ctx.targetFreight.name }}", "alias": "release"},
    "set-metadata": {"updates": UPDATES},
    "tf-apply": {"dir": "work"},
    "tf-output": {"dir": "work"},
    "tf-plan": {"dir": "work"},
    "wait-for-approval": {},
}


@pytest.mark.parametrize(("kind", "config"), EFFECTS.items(), ids=EFFECTS)
def test_a_plan_stops_at_a_step_that_acts_outside(
    desk: Desk, kind: str, config: dict[str, Any]
) -> None:
    config = {
        name: value.replace("API", desk.api) if isinstance(value, str) else value
        for name, value in config.items()
    }
    code, out, err = desk.plan([desk.clone(), step(kind, "act", **config), step("fail", "never")])
    assert (code, err) == (0, ""), out
    assert f"Stops at act ({kind}): it " in out
    assert "never  fail" in out
    assert "comes after the stop" in out
    assert desk.requests == []


def test_every_kind_that_acts_outside_is_among_these() -> None:
    assert set(EFFECTS) == {kind.kind for kind in builtin_steps() if kind.outside_effect}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_plan_sends_what_http_calls_safe_and_goes_on(desk: Desk, method: str) -> None:
    ask = step("http", "ask", url=f"{desk.api}/status", method=method)
    code, out, _ = desk.plan([ask, PUSH])
    assert code == 0
    assert desk.requests == [f"{method} /api/status"]
    assert "ask   http      Succeeded" in out


def test_a_plan_ends_at_a_step_that_waits(desk: Desk) -> None:
    wanted = "response.body.ready == false"
    ask = step("http", "ask", url=f"{desk.api}/status", successExpression=wanted)
    code, out, _ = desk.plan([ask, PUSH])
    assert code == 0
    assert "Stops at ask (http): HTTP (200) response is no success yet\n" in out
    assert desk.requests == ["GET /api/status"]


def test_a_branch_that_the_promotion_would_make_is_made_in_the_clone_only(desk: Desk) -> None:
    new = {"path": "out", "branch": "env/prod", "create": True}
    write = step("file-write", "write", path="out/app.yaml", contents="tag: 1.2.3\n")
    commit = step("git-commit", "commit", path="out", message="Render")
    code, out, _ = desk.plan([desk.clone(new), write, commit, step("git-push", "push", path="out")])
    assert code == 0
    assert "clone   git-clone   Succeeded   new branch: env/prod" in out
    assert f"Checkout out, branch env/prod of {desk.url}\nCommit:\n    Render\n" in out
    assert "+tag: 1.2.3" in out


def test_each_checkout_has_a_diff_of_its_own(desk: Desk) -> None:
    desk.server.commit("gitops", {"app.yaml": "replicas: 1\n" * 20}, "Second", branch="env/prod")
    commit = desk.server.log("gitops")[0][0]
    clone = desk.clone(
        {"path": "src", "commit": commit}, {"path": "out", "branch": "env/prod"}, {"path": "spare"}
    )
    steps = [
        clone,
        step("copy", "copy", inPath="out/app.yaml", outPath="out/web.yaml"),
        step("delete", "delete", path="out/app.yaml"),
        step("tar", "tar", inPath="src/prod", outPath="out/prod.tar"),
        step("git-commit", "commit", path="out", message="Move\n\nand pack"),
        step("file-write", "note", path="src/note.txt", contents="by hand\n"),
        step("git-push", "push", path="out"),
    ]
    code, out, _ = desk.plan(steps)
    assert code == 0
    first, second, third = out.split("\nCheckout ")[1:]
    assert first.startswith("out, branch env/prod of")
    assert "Commit:\n    Move\n\n    and pack\ndiff --git" in first
    assert "rename from app.yaml\nrename to web.yaml\n" in first
    assert "Binary files /dev/null and b/prod.tar differ" in first
    assert second.startswith("spare, branch main of")
    assert second.endswith("Nothing changed.\n")
    assert third.startswith("src, no branch of")
    assert "Not committed:\ndiff --git a/note.txt b/note.txt" in third


def test_a_long_diff_is_cut_and_says_what_is_missing(desk: Desk) -> None:
    write = step("file-write", "a", path="work/a.txt", contents="line\n" * 3_000)
    minified = step("file-write", "b", path="work/b é.json", contents="x" * 1_500)
    code, out, _ = desk.plan([desk.clone(), write, minified, PUSH])
    assert code == 0
    assert "[cut: 1,014 more lines of this diff; further files: b é.json]" in out
    code, out, _ = desk.plan([desk.clone(), minified, PUSH])
    assert "\n+" + "x" * 999 + " [cut: 501 more characters]\n" in out


def test_what_the_terminal_would_obey_is_spelled_out_and_tabs_stay(desk: Desk) -> None:
    write = step("file-write", "a", path="work/a.txt", contents="all:\n\techo \x1b[2J\r\n")
    _, out, _ = desk.plan([desk.clone(), write, PUSH])
    assert "+\techo \\x1b[2J\\r\n" in out


LATER = {
    "its output": ({"config": {"message": "${{ outputs.push.commit }}"}}, "not planned", "push"),
    "its status": ({"if": "${{ status('push') == 'Succeeded' }}"}, "not planned", "push"),
    "its times": ({"if": "${{ stepMetas['push'].errorCount > 0 }}"}, "not planned", "push"),
    "a variable of its output": (
        {
            "vars": [{"name": "sha", "value": "${{ outputs?.push.commit }}"}],
            "if": "${{ vars.sha != '' }}",
        },
        "not planned",
        "push",
    ),
    "another's output": ({"config": {"message": "${{ outputs.pushed }}"}}, "not planned", ""),
    "a failure": ({"if": "${{ failure() }}"}, "Skipped", "skipped: if is false"),
    "success": ({"if": "${{ success() }}"}, "not planned", ""),
    "what is wrong": ({"if": "${{ 1 + vars.none }}"}, "Errored", "if cannot be evaluated"),
}


@pytest.mark.parametrize(("fields", "result", "why"), LATER.values(), ids=LATER)
def test_a_step_behind_the_stop_says_what_it_would_need(
    desk: Desk, fields: dict[str, Any], result: str, why: str
) -> None:
    later = {**step("compose-output", "later", a=1), **fields}
    code, out, _ = desk.plan([desk.clone(), PUSH, later])
    (line,) = (line for line in out.splitlines() if line.startswith("later "))
    reason = {"push": "uses what push puts out", "": "comes after the stop"}.get(why, why)
    assert code == 0
    assert f" {result} " in line
    assert reason in line


def test_the_steps_of_a_task_are_planned_and_what_is_skipped_says_why(desk: Desk) -> None:
    desk.task = [
        {**step("fail", "no", message="never"), "if": "${{ vars.fails }}"},
        step("git-push", "push", path="${{ vars.path }}"),
        step("compose-output", "out", sha="${{ task.outputs.push.commit }}"),
    ]
    given = [{"name": "path", "value": "work"}, {"name": "fails", "value": "false"}]
    code, out, _ = desk.plan(
        [desk.clone(), {"task": {"name": "ship"}, "as": "ship", "vars": given}]
    )
    assert code == 0
    assert "ship::no    fail            Skipped      skipped: if is false" in out
    assert "Stops at ship::push (git-push)" in out
    assert "ship::out   compose-output  not planned  uses what ship::push puts out" in out


def test_a_plan_without_an_effect_runs_to_its_end(desk: Desk) -> None:
    code, out, _ = desk.plan(desk.edit())
    assert code == 0
    assert "Comes to its end: no step that ran acts outside" in out


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (step("fail", "no", message="not today"), "Fails at no (fail): failed: not today"),
        (
            step("yaml-update", "no", path="work/x", updates="${{ [] }}"),
            "Fails at no (yaml-update): invalid",
        ),
        (step("git-push", "no", path="nowhere"), "Stops at no (git-push)"),
        (
            step("git-push", "no", path="${{ 7 }}"),
            "Fails at no (git-push): invalid git-push config: path",
        ),
    ],
    ids=["a step that fails", "a config that is wrong", "a path", "the config of the stop"],
)
def test_a_plan_whose_step_fails_says_so(desk: Desk, last: dict[str, Any], said: str) -> None:
    code, out, _ = desk.plan([*desk.edit(), last])
    assert said in out
    assert code == (0 if "Stops" in said else 1)


def test_freight_that_is_not_available_is_planned_all_the_same(desk: Desk) -> None:
    newer = desk.pipeline.find("1.3.0", hour=2)
    code, out, _ = desk.plan([*desk.edit(), PUSH], "--freight", newer.name[:9])
    assert code == 0
    assert "Not available: not verified in dev. A promotion would be refused." in out
    assert "+  tag: 1.3.0" in out


def test_older_freight_is_planned_as_a_rollback_with_what_the_stage_holds_besides(
    desk: Desk,
) -> None:
    newer = desk.pipeline.find("1.3.0", hour=2)
    api = desk.pipeline.find("7.0.0", origin=FreightOrigin(name="api"))
    desk.pipeline.verify("prod", newer, api, hour=3)
    desk.requested = ["web", "api"]
    message = '${{ imageFrom("registry.example/api").Tag }} ${{ ctx.meta.promotion }}'
    commit = step("git-commit", "commit", path="work", message=message)
    code, out, _ = desk.plan([*desk.edit()[:2], commit, PUSH])
    assert code == 0
    assert f"With what prod holds of Warehouse/api: {api.alias} ({api.name[:12]})" in out
    assert f"Now in prod: {newer.alias} of Warehouse/web, which is newer: this is a rollback" in out
    assert '    7.0.0 {"actor":"alice","rollback":true}\n' in out


def test_a_stage_that_airflow_does_not_know_yet_is_planned(desk: Desk) -> None:
    desk.pipeline = Pipeline(stages=())
    freight = desk.pipeline.find("1.2.3")
    code, out, _ = desk.plan([*desk.edit(), PUSH], "--freight", freight.name)
    assert code == 0
    assert "Now in prod: nothing of Warehouse/web" in out
    assert "Not available: there is no Stage dev." in out


def test_what_a_secret_holds_is_not_shown(desk: Desk) -> None:
    secret = "${{ secret('gitops').password }}"
    steps = [
        desk.clone(),
        step("file-write", "write", path="work/token", contents=secret),
        step("git-commit", "commit", path="work", message=f"Login {secret}"),
        step("fail", "no", message=f"not with {secret}"),
    ]
    code, out, err = desk.plan(steps)
    assert code == 1
    assert PASSWORD not in out + err
    assert "    Login ***" in out
    assert "+***" in out
    assert "failed: not with ***" in out


def test_a_connection_that_is_not_on_this_machine_says_how_to_give_it(desk: Desk) -> None:
    desk.connection = "airfreight_shop_lost"
    code, out, _ = desk.plan([*desk.edit(), PUSH])
    assert code == 1
    assert "no usable Connection 'airfreight_shop_lost'" in out
    assert "AIRFLOW_CONN_AIRFREIGHT_SHOP_LOST" in out


REFUSALS: dict[str, tuple[list[str], str]] = {
    "a Stage": (["--stage", "prd"], "has no Stage 'prd'; did you mean 'prod'?"),
    "a Freight": (["--freight", "ALIAS-x"], "; did you mean 'ALIAS'?"),
    "a strange Freight": (["--freight", "zzzz"], "no Freight is named 'zzzz'; see `airfreight"),
    "an alias": (["--freight-alias", "NAME"], "no Freight has the alias"),
}


@pytest.mark.parametrize(("words", "said"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_unknown_is_one_line_with_the_nearest_name(
    desk: Desk, words: list[str], said: str
) -> None:
    def meant(word: str) -> str:
        return word.replace("ALIAS", desk.freight.alias).replace("NAME", desk.freight.name)

    code, out, err = desk.plan([PUSH], *map(meant, words))
    assert (code, out) == (1, "")
    assert err.startswith("airfreight: ")
    assert err.count("\n") == 1
    assert meant(said) in err


def test_a_project_without_manifests_is_wrong_usage_as_for_validate(desk: Desk) -> None:
    code, out, err = desk.plan([PUSH], project="shp")
    assert (code, out) == (2, "")
    assert "holds no project 'shp'; did you mean 'shop'?" in err


STAGES: dict[str, tuple[dict[str, Any], str]] = {
    "disabled": ({"promotionTemplate": {"spec": {"steps": [{"uses": "git-psh"}]}}}, "git-push"),
    "control flow": ({"promotionTemplate": None}, "it only forwards Freight"),
}


@pytest.mark.parametrize(("spec", "said"), STAGES.values(), ids=STAGES)
def test_a_stage_that_promotes_nothing_is_refused(
    desk: Desk, spec: dict[str, Any], said: str
) -> None:
    code, out, err = desk.plan([PUSH], **spec)
    assert (code, out) == (1, "")
    assert said in err
