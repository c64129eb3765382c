from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from airfreight.expr.limits import Limits
from airfreight.expr.templates import check_template
from airfreight.model.promotion import PromotionPhase
from airfreight.model.stage import PromotionTask, Stage
from airfreight.runtime.functions import Sources
from airfreight.runtime.inflate import inflate
from airfreight.steps.functions import declared
from tests.runtime.step_kinds import IMAGE, START, EchoStep, World, freight, promotion

COMMIT = {"repoURL": "https://git.example/app.git", "id": "ab" * 20, "message": "fix"}
CHART = {"repoURL": "https://charts.example", "name": "app", "version": "1.2.3"}
OTHER = freight(
    "infra",
    commits=[COMMIT],
    charts=[CHART, {"repoURL": "oci://charts.example/web", "version": "0.1.0"}],
    images=[{"repoURL": "registry.example/both", "tag": "x", "digest": "sha256:b"}],
    artifacts=[{"artifactType": "file", "subscriptionName": "s", "version": "7"}],
)
THIRD = freight(
    "third", images=[{"repoURL": "registry.example/both", "tag": "y", "digest": "sha256:c"}]
)
MAPS = {"settings": {"replicas": "3"}}
TASKS = (
    Path(__file__).parents[2]
    / "include"
    / "pipelines"
    / "_cluster"
    / "cluster-promotion-tasks.yaml"
)


def value_of(template, *, variables=None, before=()):
    here = promotion(
        *before,
        {"config": {"value": template}},
        variables=variables,
        collection=[OTHER, THIRD],
    )
    ended = World(sources=Sources(config_maps=MAPS)).run(here)
    assert ended.phase is PromotionPhase.SUCCEEDED, ended.message
    return ended.state[here.steps[-1].alias]["value"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (f"${{{{ quote(imageFrom('{IMAGE}').Tag) }}}}", "1.10"),
        (f"${{{{ imageFrom('{IMAGE}').Tag }}}}", 1.1),
        (f"${{{{ imageFrom('{IMAGE}', warehouse('web')).Digest }}}}", f"sha256:{'a' * 64}"),
        (f"${{{{ imageFrom('{IMAGE}', warehouse('infra')) == nil }}}}", True),
        (f"${{{{ imageFrom('{IMAGE}', warehouse('gone'))?.Tag }}}}", None),
        ("${{ imageFrom('registry.example/WEB') == nil }}", True),
        ("${{ imageFrom('registry.example/both', warehouse('third')).Tag }}", "y"),
        ("${{ commitFrom('https://GIT.example/app').ID }}", "ab" * 20),
        ("${{ commitFrom('https://git.example/app').Message }}", "fix"),
        ("${{ chartFrom('https://charts.example', 'app').Version }}", "1.2.3"),
        ("${{ chartFrom('https://charts.example') == nil }}", True),
        ("${{ chartFrom('https://charts.example', 'app', warehouse('infra')).Name }}", "app"),
        ("${{ chartFrom('oci://charts.example/web', warehouse('infra')).Version }}", "0.1.0"),
        ("${{ artifactFrom('s').Version }}", 7),
        ("${{ warehouse('infra').Name }}", "infra"),
        ("${{ configMap('settings').replicas }}", 3),
        ("${{ configMap('gone').replicas == nil }}", True),
        ("${{ ctx.project }}/${{ ctx.stage }}/${{ ctx.promotion }}", "shop/dev/dev.01j.abcdefg"),
        ("${{ ctx.targetFreight.alias }} of ${{ ctx.targetFreight.origin.name }}",
         "calm-otter of web"),
        ("${{ ctx.meta.promotion.actor }} ${{ ctx.meta.step.alias }}", "alice step-1"),
        ("${{ ctx.meta.promotion.rollback }}", False),
        ("${{ ctx.uiBaseUrl }}", "https://airflow.example"),
        ("${{ nobody }}", None),
    ],
)  # fmt: skip
def test_an_expression_sees_the_freight_and_the_promotion(template, expected):
    assert value_of(template) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("${{ imageFrom('registry.example/both').Tag }}",
         "several Warehouses have it (infra, third); name one as last argument"),
        ("${{ imageFrom(vars.unset).Tag }}", "repoURL must be a string, not nil"),
        ("${{ imageFrom('x', 'web') }}", "argument 2 of imageFrom is origin, not string"),
        ("${{ chartFrom('x', 'a', 'b') }}", "argument 3 of chartFrom is origin, not string"),
        (f"${{{{ imageFrom('{IMAGE}').tag }}}}", 'did you mean "Tag"'),
        ("${{ secret('x') }}", "no Airflow Connection can be read here"),
    ],
    ids=["two origins", "unset variable", "no origin", "no third", "Go-cased fields", "no Connections"],
)  # fmt: skip
def test_an_expression_that_cannot_be_answered_errs_its_step(template, message):
    ended = World().run(promotion({"config": {"v": template}}, collection=[OTHER, THIRD]))
    assert ended.phase is PromotionPhase.ERRORED
    assert message in ended.message


def test_later_vars_win_and_see_the_earlier_ones():
    before = {"config": {"a": "x"}}
    step = {
        "vars": [
            {"name": "b", "value": "${{ vars.a }}-${{ outputs['step-1'].a }}"},
            {"name": "a", "value": "own"},
        ],
        "config": {"value": "${{ vars.a }} ${{ vars.b }} ${{ vars.n + 1 }}"},
    }
    here = promotion(before, step, variables={"a": "shared", "n": "${{ 41 }}"})
    assert World().run(here).state["step-2"] == {"value": "own shared-x 42"}


def test_vars_of_the_promotion_see_no_outputs():
    assert value_of("${{ vars.a }}", variables={"a": "${{ outputs == nil }}"}) is True


@pytest.mark.parametrize("call", ["always()", "success()", "failure()", "status('x')"])
def test_a_status_function_in_vars_says_where_it_belongs(call):
    ended = World().run(promotion({}, variables={"a": f"${{{{ {call} }}}}"}))
    assert "variable 'a': " in ended.message
    assert "is available in a step's if and config, not in vars" in ended.message


def test_a_step_in_a_task_knows_its_siblings_by_their_own_names():
    task = {"taskAlias": "t"}
    here = promotion(
        {**task, "alias": "t::a", "config": {"x": "1"}},
        {**task, "alias": "t::b", "config": {"v": "${{ task.outputs.a.x }} ${{ status('a') }}"}},
        {"alias": "c", "config": {"v": "${{ outputs['t::a'].x }}|${{ task }}|${{ status('a') }}"}},
    )
    state = World().run(here).state
    assert state["t::b"] == {"v": "1 Succeeded"}
    assert state["c"] == {"v": "1|null|"}


def test_step_metas_tell_of_every_step_that_was_started():
    last = "${{ stepMetas['step-1'].Status }} ${{ stepMetas['step-1'].StartedAt.Year() }}"
    seen = {"config": {"a": last, "b": "${{ stepMetas['step-2'] == nil }}"}}
    state = World().run(promotion({}, {"if": "${{ false }}"}, seen)).state
    assert state["step-3"] == {"a": f"Succeeded {START.year}", "b": True}


def test_the_parser_knows_the_functions_of_each_place():
    template = "${{ always() && imageFrom(vars.image) != nil }}"
    assert check_template(template, declared("step")) == []
    (error,) = check_template(template, declared("vars"))
    assert "always" in str(error)


class _Clone(EchoStep):
    kind = "git-clone"


class _Update(EchoStep):
    kind = "yaml-update"


class _Commit(EchoStep):
    kind = "git-commit"


class _Push(EchoStep):
    kind = "git-push"


def _task(name):
    documents = yaml.safe_load_all(TASKS.read_text(encoding="utf-8"))
    document = next(d for d in documents if d["metadata"]["name"] == name)
    return PromotionTask.model_validate({"name": name, "cluster": True, **document["spec"]})


@pytest.mark.parametrize(
    ("task", "variables", "update", "message"),
    [
        ("promote-image-to-git", {"image": IMAGE, "yamlPath": "overlays/dev/image.yaml"},
         {"path": "./workspace/overlays/dev/image.yaml",
          "updates": [{"key": "spec.image.tag", "value": "1.10"}]},
         "Update image tag to 1.10"),
        ("promote-chart-to-git", {"chart": "oci://charts.example/web"},
         {"path": "./workspace/overlays/prod/chart.yaml",
          "updates": [{"key": "spec.source.targetRevision", "value": "0.1.0"}]},
         "Update Helm chart version to 0.1.0"),
    ],
)  # fmt: skip
def test_the_shared_tasks_run_as_they_are_written(task, variables, update, message):
    stage = Stage.model_validate(
        {
            "name": "dev",
            "vars": [{"name": n, "value": v} for n, v in variables.items()],
            "requestedFreight": [{"origin": {"name": "web"}, "sources": {"direct": True}}],
            "promotionTemplate": {
                "steps": [{"task": {"name": task, "kind": "ClusterPromotionTask"}}]
            },
        }
    )
    inflated, shared = inflate(stage, lambda reference: _task(reference.name))
    here = promotion(collection=[OTHER]).model_copy(update={"steps": inflated, "vars": shared})
    ended = World([_Clone(), _Update(), _Commit(), _Push()]).run(here)
    assert ended.phase is PromotionPhase.SUCCEEDED, ended.message
    name = "update-image" if "image" in task else "update-chart"
    assert ended.state[f"task-1::{name}"] == update
    assert ended.state["task-1::commit"]["message"] == message
    assert ended.state["task-1::step-1"]["checkout"]["branch"] == "main"


LOOP = "${{ count(1..100, true) }}"


@pytest.mark.parametrize(
    ("step", "variables"),
    [
        pytest.param({"if": "${{ count(1..100, true) > 0 }}"}, {}, id="if"),
        pytest.param({"config": {"a": [LOOP]}}, {}, id="config"),
        pytest.param({"vars": [{"name": "a", "value": LOOP}]}, {}, id="vars of a step"),
        pytest.param({}, {"a": LOOP}, id="vars of a promotion"),
    ],
)
def test_the_limits_of_the_settings_hold_wherever_an_expression_stands(step, variables):
    bound = promotion({"uses": "echo", **step}, variables=variables)
    assert World().run(bound).phase is PromotionPhase.SUCCEEDED
    ended = World(limits=Limits(steps=50)).run(bound)
    assert ended.phase is PromotionPhase.ERRORED
    assert "takes more than 50 steps" in ended.message
