"""Real helm against a chart repository and a registry that have certificates of private authorities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.model.credential import Credential
from airfreight.steps.helm_template import HelmTemplateStep
from airfreight.steps.helm_update_chart import HelmUpdateChartStep
from tests.certificates import private_authority
from tests.chart_repository import ChartRepository, pack, write_chart
from tests.registry_server import DebianRegistry
from tests.steps.kube.conftest import Kitchen
from tests.steps.oci import CHART, described, image

STEP = HelmUpdateChartStep()
CHART_CONFIG = "application/vnd.cncf.helm.config.v1+json"
LOGIN = ("robot", "s3cret/pw")
pytestmark = pytest.mark.usefixtures("_no_proxy")


@dataclass(frozen=True)
class Server:
    """A place of charts; `authority` is the certificate of who signed its own."""

    url: str
    authority: str

    def login(self, username: str, password: str) -> Credential:
        return Credential(username, password, ca_certificate=self.authority)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("repository")
    authority, tls = private_authority(folder)
    with ChartRepository(folder / "charts", tls=tls) as running:
        running.add(write_chart(folder, "shop", "1.0.0"))
        yield Server(through_the_guard(running.url), authority)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("registry")
    authority, _ = private_authority(folder)
    archive = pack(write_chart(folder, "cart", "1.0.0"), folder / "packed").read_bytes()
    with DebianRegistry(LOGIN, tls=folder / "server.pem") as running:
        push(running, "charts/cart", archive)
        yield Server(through_the_guard(f"oci://{running.host}/charts"), authority)


def push(registry: DebianRegistry, repository: str, archive: bytes) -> None:
    """Push a chart without helm, which speaks no https to this machine."""
    metadata = b'{"apiVersion": "v2", "name": "cart", "version": "1.0.0"}'
    for content in (metadata, archive):
        registry.push_blob(repository, content)
    manifest = image(metadata, described(archive, CHART))
    manifest["config"]["mediaType"] = CHART_CONFIG
    registry.push_manifest(repository, "1.0.0", manifest)


def through_the_guard(url: str) -> str:
    """Spell this machine as helm does not know it, and so asks the guard for it."""
    return url.replace("127.0.0.1", "127.1")


def write_umbrella(kitchen: Kitchen, **repositories: str) -> None:
    entries = "".join(
        f"- {{name: {name}, version: 1.0.0, repository: '{url}'}}\n"
        for name, url in repositories.items()
    )
    kitchen.write(
        "app/Chart.yaml", f"apiVersion: v2\nname: app\nversion: 0.1.0\ndependencies:\n{entries}"
    )


def refused(url: str) -> str:
    host = url.partition("://")[2].partition("/")[0]
    return (
        rf"^{host} has a certificate that is not trusted: certificate signed by unknown authority.*; "
        "where a private authority signed it, put the authority's own into `ca_certificate` of the Connection's extra$"
    )


def test_a_repository_is_trusted_by_what_its_connection_names(kitchen: Kitchen, repository: Server):
    write_umbrella(kitchen, shop=repository.url)
    with pytest.raises(RetryableStepError, match=refused(repository.url)):
        kitchen.run(STEP, path="app")
    kitchen.logins.known[repository.url] = repository.login("", "")
    kitchen.run(STEP, path="app")
    made = ["app", "app/Chart.lock", "app/Chart.yaml", "app/charts", "app/charts/shop-1.0.0.tgz"]
    assert kitchen.names("") == made
    kitchen.logins.known[repository.url] = Credential("", "", ca_certificate="no PEM")
    with pytest.raises(RetryableStepError, match="ca_certificate of the Connection is no cert"):
        kitchen.run(STEP, path="app")


def test_a_registry_is_trusted_by_what_its_connection_names(kitchen: Kitchen, registry: Server):
    write_umbrella(kitchen, cart=registry.url)
    kitchen.logins.known[f"{registry.url}/cart"] = Credential(*LOGIN)
    config = {"path": "app", "outPath": "o.yaml", "releaseName": "r", "buildDependencies": True}
    with pytest.raises(RetryableStepError, match=refused(registry.url)):
        kitchen.run(HelmTemplateStep(), **config)
    kitchen.logins.known[f"{registry.url}/cart"] = registry.login("", "")
    with pytest.raises(TerminalStepError, match="no basic auth credentials"):
        kitchen.run(HelmTemplateStep(), **config)
    kitchen.logins.known[f"{registry.url}/cart"] = registry.login(*LOGIN)
    kitchen.run(HelmTemplateStep(), **config)
    assert "name: r-cart" in (kitchen.root / "o.yaml").read_text()


def test_the_machines_authorities_count_where_a_repository_has_no_other(
    kitchen: Kitchen,
    repository: Server,
    registry: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    (tmp_path / "machine.pem").write_text(repository.authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "machine.pem"))
    write_umbrella(kitchen, shop=repository.url, cart=registry.url)
    kitchen.logins.known[f"{registry.url}/cart"] = registry.login(*LOGIN)
    kitchen.run(STEP, path="app")
    assert (kitchen.root / "app/charts/cart-1.0.0.tgz").exists()
    kitchen.logins.known[repository.url] = registry.login("", "")
    with pytest.raises(RetryableStepError, match=refused(repository.url)):
        kitchen.run(STEP, path="app")
