"""The story that this project was founded on: CI publishes, Argo CD syncs what Git says; between them is Airfreight.

CI pushes an image to ECR and a chart to a registry of charts; a Warehouse sees each. The two ClusterPromotionTasks
write them to the GitOps repository, over SSH and over https, and Argo CD is told to sync. In prod a person approves,
and another merges a merge request on GitLab.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.aws import ECR_TOKEN, moto_server
from tests.certificates import private_authority
from tests.chart_repository import pack, push, write_chart
from tests.git_http import GitHttpServer
from tests.git_ssh import GitSshServer
from tests.live.applications import add_application, controller, syncs
from tests.live.connections import STORY_AWS, STORY_CHARTS, STORY_GITLAB
from tests.live.manifests import OVERLAY, auto
from tests.live.world import World, eventually, run_id_of
from tests.registry_server import DebianRegistry
from tests.steps.pull_requests.hosting_server import HostingServer
from tests.token_server import TokenServer

PROJECT = "story"
REPOSITORY = "org/gitops-repo"
KINDS = ("image", "chart")
ENVIRONMENTS = ("dev", "staging", "prod")
NOW = datetime.now(UTC)
OVERLAYS = {
    "image": OVERLAY,
    "chart": "spec:\n  source:\n    chart: web\n    targetRevision: 0.0.0\n",
}

PROJECT_MANIFESTS = """\
apiVersion: kargo.akuity.io/v1alpha1
kind: Project
metadata:
  name: story
  annotations: {airfreight/argocd-connection: @CLUSTER@}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: ProjectConfig
metadata: {name: story}
spec:
  promotionPolicies: [@AUTO@]
"""
LOGIN = """\
---
apiVersion: v1
kind: Secret
metadata:
  name: @NAME@
  labels: {kargo.akuity.io/cred-type: @TYPE@}
  annotations: {airfreight/connection: airfreight_story_@NAME@}
stringData: {repoURL: "@URL@"}
"""
WAREHOUSE = """\
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Warehouse
metadata: {name: @NAME@}
spec:
  interval: 3s
  subscriptions:
  - @SUBSCRIPTION@
"""
STAGE = """\
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Stage
metadata: {name: @KIND@-@ENVIRONMENT@}
spec:
  requestedFreight:
  - origin: {kind: Warehouse, name: @KIND@}
    sources: {@SOURCES@}
  promotionTemplate:
    spec:
      vars:
      - {name: repoURL, value: "@REPO@"}
      - {name: branch, value: @BRANCH@}
      - {name: @KIND@, value: "@ARTIFACT@"}
      - {name: @PATH@, value: overlays/@ENVIRONMENT@/@KIND@.yaml}
      steps:
      - task: {kind: ClusterPromotionTask, name: promote-@KIND@-to-git}
        as: promote
"""
REQUEST = """\
      - uses: git-open-pr
        as: open
        config:
          repoURL: ${{ vars.repoURL }}
          provider: gitlab
          sourceBranch: ${{ vars.branch }}
          targetBranch: main
          title: Promote ${{ ctx.targetFreight.origin.name }} ${{ ctx.targetFreight.alias }}
      - uses: git-wait-for-pr
        config:
          repoURL: ${{ vars.repoURL }}
          provider: gitlab
          prNumber: ${{ outputs.open.pr.id }}
          pollInterval: 10s
"""
SYNC = """\
      - uses: argocd-update
        config:
          apps: [{name: @KIND@-@ENVIRONMENT@}]
"""


@dataclass(frozen=True)
class Platform:
    """The services of the story, each with its own login."""

    world: World
    ecr: DebianRegistry
    charts: DebianRegistry
    tokens: TokenServer
    ssh: GitSshServer
    gitlab: GitHttpServer
    requests: HostingServer
    folder: Path

    @property
    def image(self) -> str:
        return f"{self.ecr.host}/web"

    @property
    def chart(self) -> str:
        return f"oci://{self.charts.host}/charts/web"

    def push_chart(self, version: str) -> None:
        """Pack and push the chart as CI does, with helm itself."""
        chart = write_chart(self.folder / version, "web", version)
        packed = pack(chart, self.folder)
        login = (STORY_CHARTS["login"], STORY_CHARTS["password"])
        authority = self.folder / "tokens.pem"
        authority.write_bytes(self.tokens.certificate)
        push(packed, self.chart.removesuffix("/web"), login, authority)

    def artifact(self, kind: str) -> str:
        return self.image if kind == "image" else self.chart

    def overlay(self, kind: str, environment: str) -> str:
        """Return what Argo CD reads of an environment."""
        return self.world.git.read(REPOSITORY, "main", f"overlays/{environment}/{kind}.yaml") + "\n"


@pytest.fixture(scope="module")
def platform(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("story")
    authority, tls = private_authority(folder)
    chart_user = (STORY_CHARTS["login"], STORY_CHARTS["password"])
    git_user = (STORY_GITLAB["login"], STORY_GITLAB["password"])
    with ExitStack() as stack:
        enter = stack.enter_context
        aws = enter(moto_server())
        tokens = enter(TokenServer(chart_user))
        gitlab = enter(GitHttpServer(world.git.root, *git_user, tls=tls))
        made = Platform(
            world,
            enter(DebianRegistry(("AWS", ECR_TOKEN))),
            enter(DebianRegistry(tokens=tokens)),
            tokens,
            enter(GitSshServer(folder / "ssh", world.git.root)),
            gitlab,
            HostingServer(gitlab, REPOSITORY, STORY_GITLAB["password"]),
            folder,
        )
        gitlab.api = made.requests.answer
        connect(made, aws, authority)
        fill(made)
        world.add_project(PROJECT, manifests(made))
        enter(controller(world, REPOSITORY, dict.fromkeys(stages(), "main")))
        yield made


def connect(platform: Platform, aws: str, authority: str) -> None:
    """Make the Connections as an operator does."""
    ecr = {"registry": platform.ecr.host, "region_name": "eu-west-1", "endpoint_url": aws}
    ssh = {"private_key": platform.ssh.private_key, "known_hosts": platform.ssh.known_hosts}
    charts = {"ca_certificate": platform.tokens.certificate.decode()}
    connect = platform.world.connect
    connect("airfreight_story_ecr", STORY_AWS, ecr)
    connect("airfreight_story_ssh", {"conn_type": "generic"}, ssh)
    connect("airfreight_story_gitlab", STORY_GITLAB, {"ca_certificate": authority})
    connect("airfreight_story_charts", STORY_CHARTS, charts)


def stages() -> list[str]:
    return [f"{kind}-{environment}" for kind in KINDS for environment in ENVIRONMENTS]


def fill(platform: Platform) -> None:
    """Make the GitOps repository, with branches for what is proposed for prod, and Argo CD's part."""
    world = platform.world
    world.git.create(
        REPOSITORY,
        {f"overlays/{name}/{kind}.yaml": OVERLAYS[kind] for kind in KINDS for name in ENVIRONMENTS},
    )
    for kind in KINDS:
        platform.requests.run("branch", f"next-{kind}", "main")
    for stage in stages():
        url = platform.gitlab.url(REPOSITORY)
        add_application(world, stage, url, f"{PROJECT}:{stage}", "main")


def manifests(platform: Platform) -> str:
    ssh, https = platform.ssh.url(REPOSITORY), platform.gitlab.url(REPOSITORY)
    cluster = platform.world.own("airfreight_shared_cluster")
    policies = auto(*(stage for stage in stages() if "prod" not in stage))
    text = filled(PROJECT_MANIFESTS, AUTO=policies, CLUSTER=cluster)
    for name, kind, url in (
        ("ecr", "image", platform.image),
        ("charts", "helm", platform.chart),
        ("ssh", "git", ssh),
        ("gitlab", "git", https),
    ):
        text += filled(LOGIN, NAME=name, TYPE=kind, URL=url)
    image = f'image: {{repoURL: "{platform.image}", constraint: ^1.0.0}}'
    chart = f'chart: {{repoURL: "{platform.chart}", semverConstraint: ^1.0.0}}'
    text += filled(WAREHOUSE, NAME="image", SUBSCRIPTION=image)
    text += filled(WAREHOUSE, NAME="chart", SUBSCRIPTION=chart)
    for kind, path in (("image", "yamlPath"), ("chart", "chartPath")):
        words = {"KIND": kind, "PATH": path, "ARTIFACT": platform.artifact(kind)}
        for environment, sources, url, branch, more in (
            ("dev", "direct: true", ssh, "main", SYNC),
            ("staging", f"stages: [{kind}-dev]", https, "main", SYNC),
            ("prod", f"stages: [{kind}-staging]", https, f"next-{kind}", REQUEST + SYNC),
        ):
            own = {"ENVIRONMENT": environment, "SOURCES": sources, "REPO": url, "BRANCH": branch}
            text += filled(STAGE + more, **words, **own)
    return text


def filled(text: str, **words: str) -> str:
    for name, word in words.items():
        text = text.replace(f"@{name}@", word)
    return text


def dag_of(kind: str) -> str:
    return f"{PROJECT}.pipeline.{kind}"


def published(platform: Platform) -> dict[str, str]:
    """Publish as CI does, and return Warehouse → run of its Freight."""
    world = platform.world
    platform.ecr.push_image("web", "1.4.0", created=NOW)
    platform.push_chart("1.10.0")
    for kind in KINDS:
        world.unpause(dag_of(kind))
        world.unpause(f"{PROJECT}.warehouse.{kind}")
    world.wait_for_freight(PROJECT, 2)
    uri = f"airfreight://{PROJECT}/warehouses/"
    return {kind: run_id_of(world.register(uri + kind)["index"][0]) for kind in KINDS}


def test_what_ci_publishes_arrives_in_prod_by_approval_and_merge_request(
    platform: Platform,
) -> None:
    """Guards: each login opens its own service only; nothing goes to main of prod but by the merge."""
    world, requests = platform.world, platform.requests
    assert httpx.get(f"http://{platform.ecr.host}/v2/", trust_env=False).status_code == 401
    runs = published(platform)
    for number, (kind, run) in enumerate(runs.items(), start=1):
        gate = f"{kind}-prod.gate"
        assert world.answer(dag_of(kind), run, gate, "Approve").status_code == 200
        eventually(lambda number=number: len(requests.requests) == number)
        assert platform.overlay(kind, "prod") == OVERLAYS[kind]
        world.wait_for_state(dag_of(kind), run, f"{kind}-prod.promote", "deferred")
        with requests.lock:
            requests.merge(number)
    assert {world.wait_for_run(dag_of(kind), run) for kind, run in runs.items()} == {"success"}

    expected = {
        "image": OVERLAYS["image"].replace('"0.0.0"', "1.4.0"),
        "chart": OVERLAYS["chart"].replace("0.0.0", "1.10.0"),
    }
    for kind in KINDS:
        for environment in ENVIRONMENTS:
            assert platform.overlay(kind, environment) == expected[kind]
            assert len(syncs(world, PROJECT, f"{kind}-{environment}")) == 1
    assert [(one.state, one.target) for one in requests.requests] == [("merged", "main")] * 2
    messages = [message for _, message in world.git.log(REPOSITORY)]
    assert messages.count("Update image tag to 1.4.0") == 3
    assert messages.count("Update Helm chart version to 1.10.0") == 3


def test_freight_names_the_image_by_its_digest(platform: Platform) -> None:
    kept = platform.world.register(f"airfreight://{PROJECT}/warehouses/image")
    assert hashlib.sha256(platform.ecr.manifest("web", "1.4.0")).hexdigest() in str(kept)


def test_a_warehouse_goes_on_by_itself_when_its_registry_is_back(platform: Platform) -> None:
    """Guard: a watcher survives every error of its source and looks again after a while."""
    world, dag_id = platform.world, f"{PROJECT}.warehouse.image"
    platform.ecr.stop()
    run = world.trigger(dag_id)
    world.wait_for_state(dag_id, run, "discover", "up_for_retry")
    assert platform.ecr.host in world.log(dag_id, run, "discover")
    platform.ecr.start()
    platform.ecr.push_image("web", "1.5.0", created=NOW)
    newest = world.wait_for_freight(PROJECT, 3)
    world.wait_for_state(dag_of("image"), run_id_of(newest), "image-dev.verify", "success")
    assert "tag: 1.5.0" in platform.overlay("image", "dev")
