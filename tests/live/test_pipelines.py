"""The pipelines of docs/examples, all side by side in one Airflow."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from airfreight.steps.confined import namespaces_work
from tests.chart_repository import run as run_program
from tests.chart_repository import write_chart
from tests.git_http import git
from tests.live import gitops
from tests.live.applications import add_application, carry_out, syncs
from tests.live.connections import SHARED_GIT
from tests.live.world import REPO, World, eventually, run_id_of
from tests.steps.pull_requests.hosting_server import HostingServer

NOW = datetime.now(UTC)
EXAMPLES = REPO / "docs" / "examples"
REQUESTS = "acme/shop"
Play = Callable[[World], str]


@pytest.fixture(scope="module")
def hosting(world: World) -> Iterator[HostingServer]:
    """GitHub's API on the Git server; nothing can be merged until a test says so."""
    service = HostingServer(world.git, REQUESTS, SHARED_GIT["password"], ready=False)
    world.git.api = service.answer
    yield service
    world.git.api = None


@pytest.fixture(scope="module")
def played(
    world: World, hosting: HostingServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[str]]]:
    """Play every pipeline at once; each future is the run that went through the pipeline."""
    fill_repositories(world, tmp_path_factory.mktemp("charts"))
    plays: dict[str, Play] = {
        "kargo-demo": play_kargo_demo,
        "kustomize": lambda world: follow(world, "kustomize", "shop"),
        "helm": lambda world: follow(world, "helm", "shop"),
        "pull-request": lambda world: play_requests(world, hosting),
        "argocd": play_argocd,
    }
    with ThreadPoolExecutor(len(plays)) as pool:
        yield {name: pool.submit(play, world) for name, play in plays.items()}


def fill_repositories(world: World, folder: Path) -> None:
    for version in ("1.0.0", "1.2.0", "1.2.3", "1.3.0"):
        world.charts.add(write_chart(folder / version, "cache", version))
    world.git.create("kargo-demo", gitops.kargo_demo(f"{world.registry.host}/nginx/nginx"))
    world.git.create("kustomize", gitops.kustomize())
    world.git.create("helm", gitops.helm(folder, world.charts.url))
    values = {f"envs/{name}.yaml": 'image:\n  tag: "0.0.0"\n' for name in ("uat", "prod")}
    world.git.create(REQUESTS, values)
    world.git.create("argocd", {"dev/values.yaml": 'image:\n  tag: "0.0.0"\n'})


# --- How the runs are brought through -----------------------------------------------------------


def begin(world: World, name: str, image: str, tag: str = "1.0.0") -> str:
    """Push an image, add the example, and return the run of the Freight that is found."""
    world.registry.push_image(image, tag, created=NOW)
    text = (EXAMPLES / f"{name}.yaml").read_text()
    text = text.replace("https://git.example.com/", "@GIT@")
    text = text.replace("https://charts.example.com", world.charts.url)
    for connection in ("airfreight_shared_argocd", "airfreight_shared_cluster"):
        text = text.replace(connection, world.own(connection))
    world.add_project(name, text.replace("registry.example.com", "@REGISTRY@"))
    title = image.rpartition("/")[2] if name != "kargo-demo" else name
    world.unpause(f"{name}.pipeline.{title}")
    world.unpause(f"{name}.warehouse.{title}")
    return run_id_of(world.wait_for_freight(name, 1))


def follow(world: World, name: str, pipeline: str) -> str:
    """Begin an example that promotes by itself, and return its run when that has succeeded."""
    run = begin(world, name, f"{name}/{pipeline}")
    assert world.wait_for_run(f"{name}.pipeline.{pipeline}", run) == "success"
    return run


def play_kargo_demo(world: World) -> str:
    url = world.git.url("kargo-demo")
    for name in ("test", "uat", "prod"):
        add_application(world, f"kargo-demo-{name}", url, f"kargo-demo:{name}", f"stage/{name}")
    run, dag_id = (
        begin(world, "kargo-demo", "nginx/nginx", "1.27.0"),
        "kargo-demo.pipeline.kargo-demo",
    )
    for name in ("test", "uat", "prod"):
        world.wait_for_state(dag_id, run, f"{name}.gate", "awaiting_input")
        assert world.answer(dag_id, run, f"{name}.gate", "Approve").status_code == 200
        carry_out(world, f"kargo-demo-{name}", "kargo-demo", f"stage/{name}")
    assert world.wait_for_run(dag_id, run) == "success"
    return run


def play_argocd(world: World) -> str:
    add_application(world, "shop-dev", world.git.url("argocd"), "argocd:dev", "main", stage="dev")
    run = begin(world, "argocd", "argocd/shop")
    carry_out(world, "shop-dev", "argocd", "main", health="Progressing")
    register = "airfreight://argocd/stages/dev/register"
    eventually(lambda: "its health is Progressing" in str(world.register(register)))
    world.argocd.change({"status": {"health": {"status": "Healthy"}}}, "shop-dev")
    assert world.wait_for_run("argocd.pipeline.shop", run) == "success"
    return run


def play_requests(world: World, hosting: HostingServer) -> str:
    run, dag_id = begin(world, "pull-request", "pull-request/shop"), "pull-request.pipeline.shop"
    world.wait_for_state(dag_id, run, "uat.promote", "deferred")
    assert hosting.merges == 0
    hosting.ready = True
    world.wait_for_state(dag_id, run, "prod.promote", "deferred")
    assert hosting.merges == 1
    with hosting.lock:
        hosting.merge(2)
    assert world.wait_for_run(dag_id, run) == "success"
    return run


# --- Git ----------------------------------------------------------------------------------------


def files_of(world: World, repository: str, branch: str) -> dict[str, str]:
    names = git("ls-tree", "-r", "--name-only", branch, cwd=world.git.path(repository))
    return {name: world.git.read(repository, branch, name) for name in names.splitlines()}


def commit_of(world: World, repository: str, branch: str) -> list[str]:
    """Return the lines of the message of the branch's tip."""
    return git("log", "-1", "--format=%B", branch, cwd=world.git.path(repository)).splitlines()


def resources(texts: list[str]) -> list[Any]:
    found = [document for text in texts for document in yaml.safe_load_all(text) if document]
    return sorted(found, key=lambda one: (one["kind"], one["metadata"]["name"]))


def checkout(world: World, repository: str, folder: Path) -> Path:
    subprocess.run(
        ["git", "clone", "--quiet", world.git.path(repository), folder], check=True, timeout=60
    )
    return folder


# --- What came of it ----------------------------------------------------------------------------


def test_kustomize_renders_into_the_stages_branch_what_the_program_prints(
    world: World, played: Mapping[str, Future[str]], tmp_path: Path
) -> None:
    played["kustomize"].result()
    image = f"{world.registry.host}/kustomize/shop"
    digest = world.registry.push_image("kustomize/shop", "1.0.0", created=NOW)
    source = checkout(world, "kustomize", tmp_path / "source")
    overlay = source / "overlays" / "dev" / "kustomization.yaml"
    images = yaml.safe_dump({"images": [{"name": "shop", "newName": image, "digest": digest}]})
    overlay.write_text(overlay.read_text() + images)
    printed = run_program("kubectl", "kustomize", str(overlay.parent), home=tmp_path)
    rendered = files_of(world, "kustomize", "env/dev")
    assert {name.split("/")[0] for name in rendered} == {"manifests"}
    assert resources(list(rendered.values())) == resources([printed])
    assert f"{image}@{digest}" in printed
    assert commit_of(world, "kustomize", "env/dev")[0] == "Render 1.0.0 for dev"
    assert len(world.git.log("kustomize", "env/dev")) == 2


def test_helm_brings_the_dependency_up_and_renders_what_the_program_prints(
    world: World, played: Mapping[str, Future[str]], tmp_path: Path
) -> None:
    played["helm"].result()
    chart = checkout(world, "helm", tmp_path / "source") / "charts" / "shop"
    (chart / "charts").mkdir()
    packed = world.charts.root / "cache-1.2.3.tgz"
    (chart / "charts" / packed.name).write_bytes(packed.read_bytes())
    meta = chart / "Chart.yaml"
    meta.write_text(meta.read_text().replace("1.0.0", "1.2.3"))
    arguments = ["--namespace=shop-dev", "--values", str(chart.parents[1] / "values" / "dev.yaml")]
    arguments.append("--set-literal=image.tag=1.0.0")
    printed = run_program("helm", "template", "shop", str(chart), *arguments, home=tmp_path)
    rendered = resources(list(files_of(world, "helm", "env/dev").values()))
    assert rendered == resources([printed])
    cache, own = (one["data"] for one in rendered if one["kind"] == "ConfigMap")
    assert (cache["word"], cache["version"], own["word"]) == ("cached", "1.2.3", "for dev")
    message = commit_of(world, "helm", "env/dev")
    assert message[0] == "Render 1.0.0 for dev"
    assert "- cache: 1.2.3" in message


@pytest.mark.parametrize("name", ["kustomize", "helm"])
def test_programs_are_confined_in_a_task_where_the_kernel_allows_it(
    world: World, played: Mapping[str, Future[str]], name: str
) -> None:
    """Guard: a task's process is not one in which namespaces cannot be made."""
    log = world.log(f"{name}.pipeline.shop", played[name].result(), "dev.promote")
    warned = "lets no program be confined" in log
    assert warned == (not namespaces_work())


def test_a_pull_request_is_merged_by_the_promotion_in_uat_and_by_a_person_in_prod(
    world: World, hosting: HostingServer, played: Mapping[str, Future[str]]
) -> None:
    played["pull-request"].result()
    assert [(one.state, one.target, one.labels) for one in hosting.requests] == [
        ("merged", "main", ["promotion"])
    ] * 2
    assert hosting.merges == 2
    alias = world.freight("pull-request")[0]["alias"]
    for name, one in zip(("uat", "prod"), hosting.requests, strict=True):
        assert one.title == f"Promote {alias} to {name}"
        assert world.git.read(REQUESTS, "main", f"envs/{name}.yaml") == "image:\n  tag: 1.0.0"
        held = world.register(f"airfreight://pull-request/stages/{name}/register")["current"]
        assert one.source == f"kargo/promotion/{held['promotion']}"
    messages = [message for _, message in world.git.log(REQUESTS)]
    assert messages.count("First") == 1
    assert len(messages) == 5


def test_argo_cd_is_synced_once_to_the_commit_and_awaited_until_it_is_healthy(
    world: World, played: Mapping[str, Future[str]]
) -> None:
    played["argocd"].result()
    (commit, _), (_, first) = world.git.log("argocd")
    assert first == "First"
    assert world.git.read("argocd", "main", "dev/values.yaml") == "image:\n  tag: 1.0.0"
    application = world.argocd.apps["argocd", "shop-dev"]
    assert application["spec"]["source"]["targetRevision"] == commit
    (sync,) = syncs(world, "argocd", "dev")
    assert sync["initiatedBy"] == {"username": "airfreight", "automated": True}
    assert world.holds("argocd", "dev") == world.freight("argocd")[0]["alias"]


def test_kargos_quickstart_goes_from_test_to_prod(
    world: World, played: Mapping[str, Future[str]]
) -> None:
    played["kargo-demo"].result()
    alias = world.freight("kargo-demo")[0]["alias"]
    image = f"{world.registry.host}/nginx/nginx"
    for name in ("test", "uat", "prod"):
        assert world.holds("kargo-demo", name) == alias
        assert [message for _, message in world.git.log("kargo-demo", f"stage/{name}")] == [
            "Updated ./src/base to use new image",
            "Initial commit",
        ]
        (text,) = files_of(world, "kargo-demo", f"stage/{name}").values()
        deployment = yaml.safe_load(text)
        assert deployment["metadata"]["namespace"] == f"kargo-demo-{name}"
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert container["image"] == f"{image}:1.27.0"
        assert len(syncs(world, "kargo-demo", name)) == 1
