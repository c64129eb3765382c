"""A project's folder as a whole: what is disabled, what keeps its shape, which pipelines there are."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airfreight.errors import ManifestError
from airfreight.manifests.kinds import read_manifest
from airfreight.manifests.nodes import read_documents
from airfreight.manifests.project import LoadedProject, load_project
from airfreight.manifests.steps import IN_STEPS, IN_VARS
from airfreight.model.connections import ConnectionIds
from airfreight.runtime.functions import Scope, functions
from airfreight.steps.installed import step_registry

REGISTRY = step_registry()
INCLUDED = Path(__file__).parents[2] / "include" / "pipelines"
KARGO = "kargo.akuity.io/v1alpha1"


def resource(kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> str:
    manifest = {
        "apiVersion": KARGO,
        "kind": kind,
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }
    return json.dumps(manifest) + "\n"


def warehouse(name: str, **metadata: Any) -> str:
    spec = {"subscriptions": [{"image": {"repoURL": f"example.com/{name}"}}]}
    return resource("Warehouse", name, spec, **metadata)


def stage(name: str, *upstream: str, origin: str = "web", **spec: Any) -> str:
    sources: dict[str, Any] = {"stages": list(upstream)} if upstream else {"direct": True}
    requested = [{"origin": {"kind": "Warehouse", "name": origin}, "sources": sources}]
    return resource("Stage", name, {"requestedFreight": requested, **spec})


def template(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"steps": list(steps)}}


def cluster_task(name: str) -> str:
    return resource("ClusterPromotionTask", name, {"steps": [{"uses": "fail"}]})


def load(folder: Path, *manifests: str, cluster: str = "") -> LoadedProject:
    (folder / "shop").mkdir(exist_ok=True)
    (folder / "_cluster").mkdir(exist_ok=True)
    (folder / "shop" / "all.yaml").write_text("---\n".join(manifests))
    (folder / "_cluster" / "tasks.yaml").write_text(cluster)
    return load_project(folder, "shop", REGISTRY)


def test_the_guestbook_has_no_errors() -> None:
    project = load_project(INCLUDED, "guestbook", REGISTRY)

    assert [problem for problem in project.problems if problem.severity == "error"] == []
    assert project.disabled == {}
    (pipeline,) = project.pipelines
    assert pipeline.name == "guestbook"
    assert [stage.name for stage in pipeline.stages] == ["dev", "staging", "prod"]
    assert pipeline.edges == (("dev", "staging"), ("staging", "prod"))
    assert [stage.name for stage in project.stages if project.config.auto_promotes(stage.name, {})]
    assert not project.config.auto_promotes("prod", {})
    assert project.credentials[0].connection_id == "airfreight_guestbook_git"


def test_the_seeds_tasks_are_accepted_with_a_warning_for_each_checkout() -> None:
    project = load_project(INCLUDED, "guestbook", REGISTRY)

    assert [task.name for task in project.cluster_tasks] == [
        "promote-image-to-git",
        "promote-chart-to-git",
    ]
    assert [(problem.location.line, problem.field) for problem in project.problems] == [
        (24, "spec.steps[0].config.checkout"),
        (62, "spec.steps[0].config.checkout"),
    ]


def test_an_error_disables_only_its_stage(tmp_path: Path) -> None:
    broken = stage("prod", "dev", promotionTemplate=template({"uses": "nothing"}))
    project = load(tmp_path, warehouse("web"), stage("dev"), broken)

    assert list(project.disabled) == ["Stage prod"]


@pytest.mark.parametrize(
    ("spec", "control_flow"),
    [
        ({"promotionTemplate": template({"uses": "nothing"})}, False),
        ({"promotionTemplate": {"steps": []}}, False),
        ({"verification": {}}, True),
    ],
    ids=["unknown-step", "no-inner-spec", "verification"],
)
def test_a_disabled_stage_keeps_the_shape_of_its_tasks(
    tmp_path: Path, spec: dict[str, Any], control_flow: bool
) -> None:
    project = load(tmp_path, warehouse("web"), stage("dev"), stage("prod", "dev", **spec))

    (pipeline,) = project.pipelines
    assert list(project.disabled) == ["Stage prod"]
    assert pipeline.edges == (("dev", "prod"),)
    assert pipeline.stages[1].is_control_flow is control_flow


def test_a_disabled_warehouse_watches_nothing_and_keeps_its_pipeline(tmp_path: Path) -> None:
    git = resource("Warehouse", "web", {"subscriptions": [{"git": {}}]})
    project = load(tmp_path, git, stage("dev"))

    assert list(project.disabled) == ["Warehouse web"]
    assert project.pipelines[0].warehouses[0].subscriptions == ()
    assert [stage.name for stage in project.pipelines[0].stages] == ["dev"]


def test_a_file_that_is_no_yaml_raises_with_the_problems_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "shop" / "deep").mkdir(parents=True)
    (tmp_path / "shop" / "a.yaml").write_text("a: [")
    (tmp_path / "shop" / "deep" / "b.yml").write_text("a: 1\na: 2")

    with pytest.raises(ManifestError) as raised:
        load_project(tmp_path, "shop", REGISTRY)

    files = [problem.location.file for problem in raised.value.problems]
    assert files == ["shop/a.yaml", "shop/deep/b.yml"]


def test_a_broken_cluster_file_disables_only_stages_with_a_cluster_task(tmp_path: Path) -> None:
    task = {"task": {"name": "t", "kind": "ClusterPromotionTask"}}
    users = stage("dev", promotionTemplate=template(task))
    project = load(tmp_path, warehouse("web"), users, stage("prod", "dev"), cluster="a: [")

    assert list(project.disabled) == ["Stage dev"]
    assert project.problems[0].location.file == "_cluster/tasks.yaml"


def test_a_stage_may_supply_the_value_that_a_task_asks_for(tmp_path: Path) -> None:
    task = {"task": {"name": "t", "kind": "ClusterPromotionTask"}}
    dev = stage("dev", vars=[{"name": "image", "value": "x"}], promotionTemplate=template(task))
    spec = {"vars": [{"name": "image"}], "steps": [{"uses": "fail"}]}
    cluster = resource("ClusterPromotionTask", "t", spec)

    assert load(tmp_path, warehouse("web"), dev, cluster=cluster).problems == ()


def test_a_cycle_leaves_out_the_edge_that_closes_it(tmp_path: Path) -> None:
    stages = (stage("a", "c"), stage("b", "a"), stage("c", "b"))
    project = load(tmp_path, warehouse("web"), *stages)

    assert project.pipelines[0].edges == (("c", "a"), ("a", "b"))
    assert [stage.name for stage in project.pipelines[0].stages] == ["c", "a", "b"]
    assert [problem.severity for problem in project.problems] == ["warning"]


def test_stages_that_share_no_warehouse_are_in_different_pipelines(tmp_path: Path) -> None:
    manifests = (warehouse("web"), warehouse("api"), stage("dev"), stage("test", origin="api"))
    project = load(tmp_path, *manifests)

    assert [(p.name, [s.name for s in p.stages]) for p in project.pipelines] == [
        ("web", ["dev"]),
        ("api", ["test"]),
    ]


def test_an_annotation_names_the_pipeline(tmp_path: Path) -> None:
    named = warehouse("web", annotations={"airfreight/pipeline": "shopfront"})
    project = load(tmp_path, named, stage("dev"))

    assert [pipeline.name for pipeline in project.pipelines] == ["shopfront"]


def test_more_than_a_hundred_stages_are_a_warning(tmp_path: Path) -> None:
    project = load(tmp_path, warehouse("web"), *(stage(f"s{n}") for n in range(101)))

    (problem,) = project.problems
    assert problem.message == "pipeline 'web' has 101 Stages"


def test_the_digest_knows_names_and_bytes(tmp_path: Path) -> None:
    first = load(tmp_path, warehouse("web")).digest
    again = load(tmp_path, warehouse("web")).digest
    (tmp_path / "shop" / "all.yaml").rename(tmp_path / "shop" / "other.yaml")
    renamed = load_project(tmp_path, "shop", REGISTRY).digest
    changed = load(tmp_path, warehouse("api"), cluster=cluster_task("t")).digest

    assert first == again
    assert len({first, renamed, changed}) == 3


@pytest.mark.parametrize("name", ["../shop", "Shop", "", "nothing-there", "sh\u043ep"])
def test_a_project_that_is_no_folder_of_manifests_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ManifestError):
        load_project(tmp_path, name, REGISTRY)


@pytest.mark.parametrize(("context", "checked"), [("step", IN_STEPS), ("vars", IN_VARS)])
def test_the_functions_that_are_checked_are_those_of_a_promotion(
    context: Any, checked: dict[str, Any]
) -> None:
    real = functions(Scope(), context)

    assert {name: (f.min_args, f.max_args) for name, f in checked.items()} == {
        name: (f.min_args, f.max_args) for name, f in real.items()
    }


FIELDS = (
    *("name", "labels", "annotations", "spec", "vars", "steps", "uses", "task", "image"),
    *("sources", "stages", "origin", "requestedFreight", "promotionTemplate", "subscriptions"),
    *("stringData", "data", "config"),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    kind=st.sampled_from(
        ["Project", "ProjectConfig", "Warehouse", "Stage", "PromotionTask", "Secret", "ConfigMap"]
    ),
    metadata=ANYTHING | st.just({"name": "dev"}),
    spec=ANYTHING,
    data=ANYTHING,
)
def test_any_content_of_any_kind_is_read_or_explained(
    kind: str, metadata: Any, spec: Any, data: Any
) -> None:
    version = "v1" if kind in ("Secret", "ConfigMap") else KARGO
    manifest = {"apiVersion": version, "kind": kind, "metadata": metadata}
    content = json.dumps(manifest | {"spec": spec, "data": data}).encode()
    try:
        documents = read_documents(content, "a.yaml")
    except ManifestError:
        return
    for document in documents:
        reading = read_manifest(document, ConnectionIds("dev"), REGISTRY)
        found = reading.manifest.resource.found.problems if reading.manifest else reading.problems
        assert reading.manifest is not None or found


@pytest.mark.parametrize(
    ("annotations", "connection"),
    [
        pytest.param({}, "", id="none"),
        pytest.param(
            {"airfreight/argocd-connection": "airfreight_shop_argocd"},
            "airfreight_shop_argocd",
            id="own",
        ),
        pytest.param(
            {"airfreight/argocd-connection": "airfreight_shared_argocd"},
            "airfreight_shared_argocd",
            id="shared",
        ),
        pytest.param({"airfreight/argocd-connection": "kubernetes_default"}, "", id="foreign"),
    ],
)
def test_a_project_names_the_connection_to_its_argocd(
    tmp_path: Path, annotations: dict[str, str], connection: str
) -> None:
    loaded = load(tmp_path, resource("Project", "shop", {}, annotations=annotations))
    assert loaded.argocd_connection == connection


def test_a_project_without_a_manifest_has_no_argocd(tmp_path: Path) -> None:
    assert load(tmp_path, warehouse("web")).argocd_connection == ""


def channel(name: str, annotation: str | None, **spec: Any) -> str:
    annotations = {} if annotation is None else {"airfreight/connection": annotation}
    manifest = {
        "apiVersion": f"ee.{KARGO}",
        "kind": "ClusterMessageChannel",
        "metadata": {"name": name, "annotations": annotations},
        "spec": spec,
    }
    return json.dumps(manifest) + "\n"


def telling(name: str) -> dict[str, Any]:
    to = {"kind": "ClusterMessageChannel", "name": name}
    step = {"uses": "send-message", "config": {"channel": to, "message": "hi"}}
    return {"promotionTemplate": {"spec": {"steps": [step]}}}


SLACK = {"channelID": "C1"}
MAIL = {"from": "a@b.c", "host": "mail", "port": 25}


def notifier(connection: str) -> dict[str, Any]:
    return {"name": "chat", "messageArg": "text", "args": {"chat_conn_id": connection}}


@pytest.mark.parametrize(
    ("annotation", "spec", "message"),
    [
        ("airfreight_shared_slack", {"slack": SLACK}, None),
        ("airfreight_shared_slack", {"slack": SLACK, "secretRef": {"name": "x"}}, None),
        (None, {"smtp": MAIL}, None),
        (None, {"slack": SLACK}, "required annotation is missing"),
        (None, {"smtp": MAIL, "secretRef": {"name": "x"}}, "required annotation is missing"),
        ("airfreight_shop_slack", {"slack": SLACK}, "its Connections begin with airfreight_shared_"),
        ("airfreight__slack", {"slack": SLACK}, "its Connections begin with airfreight_shared_"),
        ("aws_default", {"smtp": MAIL}, "its Connections begin with airfreight_shared_"),
        (None, {"notifier": notifier("airfreight_shared_chat"), "secretRef": {"name": "x"}}, None),
        (None, {"notifier": notifier("airfreight_shop_chat")}, "its Connections begin with airfreight_shared_"),
        ("airfreight_shared_chat", {"notifier": notifier("airfreight_shared_chat")}, "no secretRef or annotation"),
    ],
    ids=["slack", "with a Secret", "open mail", "no token", "no login", "a project's", "no project's", "another",
         "notifier", "a project's notifier", "both"],
)  # fmt: skip
def test_a_cluster_channel_takes_a_shared_connection_only(
    tmp_path: Path, annotation: str | None, spec: dict[str, Any], message: str | None
) -> None:
    stages = [stage("dev", **telling("all")), stage("qa")]
    project = load(tmp_path, warehouse("web"), *stages, cluster=channel("all", annotation, **spec))
    if message is None:
        assert (project.problems, project.disabled) == ((), {})
        assert project.channels[0].connection_id == (annotation or "")
        return
    assert message in project.problems[0].message
    assert list(project.disabled) == ["Stage dev"]
    assert "ClusterMessageChannel 'all' has errors" in project.disabled["Stage dev"][0].message


def test_a_broken_cluster_file_disables_only_stages_that_send_to_a_cluster_channel(
    tmp_path: Path,
) -> None:
    stages = [stage("dev", **telling("all")), stage("qa")]
    project = load(tmp_path, warehouse("web"), *stages, cluster="a: [")
    assert list(project.disabled) == ["Stage dev"]
    assert "a file of _cluster/ cannot be read" in project.disabled["Stage dev"][0].message


def repository_secret(name: str, connection: str, **metadata: Any) -> str:
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "labels": {"kargo.akuity.io/cred-type": "git"},
            "annotations": {"airfreight/connection": connection},
            **metadata,
        },
        "stringData": {"repoURL": "https://github.com/acme/app"},
    }
    return json.dumps(manifest) + "\n"


def test_a_secret_in_cluster_is_every_projects_beside_one_of_its_own_name(tmp_path: Path) -> None:
    shared = repository_secret("git", "airfreight_shared_git", namespace="kargo-shared-resources")
    own = repository_secret("git", "airfreight_shop_git")
    project = load(tmp_path, warehouse("web"), own, cluster=shared)
    assert project.problems == ()
    assert {(one.connection_id, one.shared) for one in project.credentials} == {
        ("airfreight_shop_git", False),
        ("airfreight_shared_git", True),
    }


def test_a_secret_in_cluster_names_a_connection_that_all_projects_share(tmp_path: Path) -> None:
    project = load(
        tmp_path, warehouse("web"), cluster=repository_secret("git", "airfreight_shop_git")
    )
    (problem,) = project.problems
    assert problem.message == (
        "what all projects share may not use Connection 'airfreight_shop_git'; "
        "its Connections begin with airfreight_shared_"
    )
    assert "airflow connections add airfreight_shared_git " in problem.hint
    assert (problem.location.file, project.credentials) == ("_cluster/tasks.yaml", ())


BESIDE = {
    "a Secret": "airfreight_shop_payments_gitops",
    "a Secret that names a shared Connection": "airfreight_shared_tools_git",
}


@pytest.mark.parametrize("connection_id", BESIDE.values(), ids=BESIDE)
def test_a_connection_of_a_longer_name_is_that_projects(tmp_path: Path, connection_id: str) -> None:
    for name in ("shop-payments", "shared.tools"):
        (tmp_path / name).mkdir()
    secret = repository_secret("git", connection_id)
    project = load(tmp_path, warehouse("web"), secret)
    (problem,) = project.problems
    assert f"project shop may not use Connection {connection_id!r}; what begins with" in str(
        problem
    )
    assert (problem.location.file, project.credentials) == ("shop/all.yaml", ())
    assert project.connections.refusal(connection_id)


def test_what_all_projects_share_names_no_connection_of_a_project(tmp_path: Path) -> None:
    (tmp_path / "shared.tools").mkdir()
    secret = repository_secret("git", "airfreight_shared_tools_git")
    (problem,) = load(tmp_path, warehouse("web"), cluster=secret).problems
    assert problem.message.endswith(
        "what begins with airfreight_shared_tools_ belongs to project shared.tools"
    )


def test_the_project_of_the_longer_name_uses_its_connections(tmp_path: Path) -> None:
    (tmp_path / "sho").mkdir()
    (tmp_path / "shop-payments").mkdir()
    secret = repository_secret("git", "airfreight_shop_git")
    assert load(tmp_path, warehouse("web"), secret).problems == ()


@pytest.mark.parametrize("name", ["shop.payments", "shop-payments"])
def test_projects_that_would_have_the_same_connections_are_refused(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "shop.payments").mkdir()
    (tmp_path / "shop-payments").mkdir()
    with pytest.raises(ManifestError, match="its Connections would be those of project shop"):
        load_project(tmp_path, name, REGISTRY)


def test_no_project_is_called_shared(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    with pytest.raises(
        ManifestError, match="its Connections would be those that all projects share"
    ):
        load_project(tmp_path, "shared", REGISTRY)
