"""A promotion with all servers around it, each behind a place where the promotion's process can be killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airfreight.runtime.records import PromotionRecord
from tests.argocd_server import ArgocdServer, serving
from tests.git_http import GitHttpServer, git
from tests.promoting.between import Between, Moment, Strike, between
from tests.promoting.site import Nursery, RegisterServer, Worker, serving_register
from tests.promoting.task import TOKEN, Task, carry_out
from tests.registry_server import DebianRegistry
from tests.steps.pull_requests.hosting_server import HostingServer

REPOSITORY = "shop/gitops"
PROMOTION = "prod.01hx.abcdef0"
OWN_BRANCH = f"kargo/promotion/{PROMOTION}"


@dataclass
class World:
    """`git`, `hosting`, `argocd` and `registry` are the servers; `doors` stand before them and the register."""

    git: GitHttpServer
    hosting: HostingServer
    argocd: ArgocdServer
    registry: DebianRegistry
    register: RegisterServer
    doors: Mapping[str, Between]
    nursery: Nursery
    folder: Path
    task: Task = field(init=False)

    def begin(
        self,
        *steps: Mapping[str, Any],
        name: str = PROMOTION,
        argocd: str = "kubernetes",
        **settings: Any,
    ) -> None:
        """Make the Promotion that is carried out from now on; its steps know the servers by `vars`."""
        variables = {
            "repo": f"{self.doors['git'].url}/{REPOSITORY}.git",
            "from": self.registry.host,
            "to": f"{self.doors['registry'].host}/{self.images}",
        }
        self.register.begin(name, *steps, variables=variables)
        self.task = Task(
            register=self.doors["register"].url,
            promotion=name,
            workspace=str(self.folder / "work"),
            kept=str(self.folder / "kept"),
            settings=settings,
            argocd=(argocd, self.doors["argocd"].url),
        )

    def kill_at(
        self,
        door: str,
        method: str,
        path: str,
        moment: Moment,
        holds: Callable[[bytes], bool] = lambda body: True,
    ) -> None:
        """Carry out the Promotion in a process that is killed at this request; return when it is dead."""
        worker: Future[Worker] = Future()
        self.doors[door].strike = Strike(
            method, path, moment, lambda: worker.result(60).kill(), holds
        )
        worker.set_result(self.nursery.start(self.task))
        worker.result().wait()
        assert self.doors[door].struck.wait(10), self.record.status

    def go_on(self, meanwhile: Callable[[], object] = lambda: None) -> PromotionRecord:
        """Carry out the Promotion as Airflow's retry does; `meanwhile` is done whenever it waits."""
        for _ in range(4):
            record = carry_out(self.task)
            if record.status.phase.is_terminal:
                return record
            meanwhile()
        raise AssertionError(f"it still waits: {record.status}")

    @property
    def images(self) -> str:
        """The repository of the registry that is this world's own."""
        return f"prod/{abs(hash(self.folder))}"

    @property
    def record(self) -> PromotionRecord:
        return self.register.record(self.task.promotion)

    def run(self, *arguments: str) -> str:
        """Run git in the repository on the server."""
        return git(*arguments, cwd=self.git.path(REPOSITORY))

    def count(self, kind: str) -> int:
        """Count the commits or tags that the repository ever got, be they in a branch or not."""
        listed = self.run("cat-file", "--batch-all-objects", "--batch-check=%(objecttype)")
        return listed.split().count(kind)


@contextmanager
def open_world(folder: Path, nursery: Nursery, registry: DebianRegistry) -> Iterator[World]:
    """Start the servers that belong to one Promotion."""
    with ExitStack() as stack:
        server = stack.enter_context(GitHttpServer(folder / "remote"))
        server.create(REPOSITORY, {"prod.yaml": "tag: old\n"})
        hosting = HostingServer(server, REPOSITORY, TOKEN)
        server.api = hosting.answer
        argocd = stack.enter_context(serving())
        register = stack.enter_context(serving_register())
        upstreams = {
            "git": server.url("").removesuffix("/.git"),
            "argocd": argocd.url,
            "registry": f"http://{registry.host}",
            "register": register.url,
        }
        doors = {name: stack.enter_context(between(url)) for name, url in upstreams.items()}
        yield World(server, hosting, argocd, registry, register, doors, nursery, folder)
