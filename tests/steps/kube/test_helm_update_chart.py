from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.model.credential import Credential
from airfreight.steps.base import StepSettings
from airfreight.steps.helm_template import HelmTemplateStep
from airfreight.steps.helm_update_chart import HelmUpdateChartConfig, HelmUpdateChartStep
from tests.chart_repository import ChartRepository, pack, run, write_chart
from tests.processes import arguments_of_processes
from tests.registry_server import DebianRegistry
from tests.steps.examples import example_config
from tests.steps.kube.conftest import Kitchen

STEP = HelmUpdateChartStep()
LOGIN = Credential("robot", "s3cret/pw")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param({}, "path\n  Field required", id="no-path"),
        pytest.param({"path": "a", "charts": []}, "at least 1 item", id="no-charts"),
        pytest.param(
            {"path": "a", "charts": [{"repository": "r", "name": "n"}]}, "version\n  Field required", id="no-version"
        ),
        pytest.param(
            {"path": "a", "charts": [{"repository": "", "name": "n", "version": "1"}]}, "at least 1", id="empty"
        ),
        pytest.param({"path": "a", "more": 1}, "Extra inputs", id="unknown"),
    ],
)  # fmt: skip
def test_a_bad_config_is_refused(config: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        HelmUpdateChartConfig.model_validate(config)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChartRepository]:
    folder = tmp_path_factory.mktemp("repository")
    with ChartRepository(folder / "charts") as running:
        for version in ("1.0.0", "1.1.0", "2.0.0"):
            running.add(write_chart(folder / version, "shop", version))
        yield running


def umbrella(kitchen: Kitchen, repository: str, version: str = "1.0.0") -> Path:
    kitchen.write(
        "app/Chart.yaml",
        "# ours\napiVersion: v2\nname: app\nversion: 0.1.0\ndependencies:\n"
        f"- name: shop # the shop\n  version: {version} # pinned\n  repository: {repository}\n",
    )
    return kitchen.root / "app"


def update(repository: str, version: str) -> dict[str, Any]:
    return {"charts": [{"repository": repository, "name": "shop", "version": version}]}


def locked(chart: Path) -> list[str]:
    lock = yaml.safe_load((chart / "Chart.lock").read_text())
    return [dependency["version"] for dependency in lock["dependencies"]]


def test_a_version_is_set_locked_and_downloaded(kitchen: Kitchen, repository: ChartRepository):
    chart = umbrella(kitchen, repository.url)
    first = kitchen.run(STEP, path="app")
    assert first.output == {"commitMessage": "Updated chart dependencies for app\n\n- shop: 1.0.0"}
    result = kitchen.run(STEP, path="app", **update(repository.url, "2.0.0"))
    assert result.output == {
        "commitMessage": "Updated chart dependencies for app\n\n- shop: 1.0.0 -> 2.0.0"
    }
    assert "# ours\n" in (chart / "Chart.yaml").read_text()
    assert "  version: 2.0.0 # pinned\n" in (chart / "Chart.yaml").read_text()
    assert locked(chart) == ["2.0.0"]
    assert [file.name for file in (chart / "charts").iterdir()] == ["shop-2.0.0.tgz"]


def test_a_second_run_keeps_the_lock_and_the_output(kitchen: Kitchen, repository: ChartRepository):
    chart = umbrella(kitchen, repository.url)
    config = {"path": "app", **update(repository.url, "1.1.0")}
    first = kitchen.run(STEP, **config)
    before = kitchen.names("app"), (chart / "Chart.lock").read_text()
    assert kitchen.run(STEP, **config).output is None
    kitchen.previous = first.output
    assert kitchen.run(STEP, **config) == first
    assert (kitchen.names("app"), (chart / "Chart.lock").read_text()) == before


def test_without_charts_the_ranges_are_resolved_anew(kitchen: Kitchen, repository: ChartRepository):
    chart = umbrella(kitchen, repository.url, "^1.0.0")
    text = (chart / "Chart.yaml").read_text()
    kitchen.run(STEP, path="app")
    assert locked(chart) == ["1.1.0"]
    assert (chart / "Chart.yaml").read_text() == text


def test_a_dependency_that_is_gone_is_removed(kitchen: Kitchen, repository: ChartRepository):
    chart = umbrella(kitchen, repository.url)
    kitchen.run(STEP, path="app")
    kitchen.write("lib/Chart.yaml", "apiVersion: v2\nname: lib\nversion: 0.3.0\n")
    text = (chart / "Chart.yaml").read_text()
    (chart / "Chart.yaml").write_text(
        text.partition("- name")[0] + "- {name: lib, version: 0.x, repository: 'file://../lib'}\n"
    )
    result = kitchen.run(STEP, path="app")
    assert (result.output or {})["commitMessage"].endswith("\n- lib: 0.3.0\n- shop: removed")


def test_a_chart_without_dependencies_is_left_alone(kitchen: Kitchen):
    chart = write_chart(kitchen.root, "app")
    before = kitchen.files("app")
    assert kitchen.run(STEP, path="app").output is None
    assert kitchen.files(str(chart)) == before


@pytest.mark.parametrize(
    ("url", "version", "error", "message"),
    [
        pytest.param(None, "9.9.9", RetryableStepError, "can't get a valid version", id="no-version"),
        pytest.param("http://127.0.0.1:1", "2.0.0", RetryableStepError, "(?i)refused|not a valid", id="no-server"),
        pytest.param("file://../../out", "2.0.0", TerminalStepError, "within the work directory", id="outside"),
        pytest.param("file:///etc", "2.0.0", TerminalStepError, "within the work directory", id="absolute"),
        pytest.param("http://169.254.169.254/x", "2.0.0", TerminalStepError, "link-local", id="metadata"),
        pytest.param("http://a:b@127.0.0.1:1", "2.0.0", TerminalStepError, "holds a login", id="login-in-url"),
        pytest.param("oci://127.0.0.1:1/charts", "2.0.0", RetryableStepError, "refused", id="no-registry"),
    ],
)  # fmt: skip
def test_after_an_error_the_chart_is_as_it_was(
    kitchen: Kitchen,
    repository: ChartRepository,
    url: str | None,
    version: str,
    error: type[Exception],
    message: str,
):
    chart = umbrella(kitchen, repository.url)
    kitchen.run(STEP, path="app")
    url = url or repository.url
    text = (chart / "Chart.yaml").read_text().replace(repository.url, url)
    (chart / "Chart.yaml").write_text(text)
    before = kitchen.names("app"), (chart / "Chart.lock").read_text()
    with pytest.raises(error, match=message):
        kitchen.run(STEP, path="app", **update(url, version))
    assert (chart / "Chart.yaml").read_text() == text
    assert (kitchen.names("app"), (chart / "Chart.lock").read_text()) == before


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param({}, "there is no Chart.yaml", id="none"),
        pytest.param({"Chart.yaml": "dependencies: x\n"}, "expected a list", id="no-list"),
        pytest.param({"Chart.yaml": "dependencies: [x]\n"}, "list of mappings", id="no-mappings"),
        pytest.param({"Chart.yaml": "a: [\n"}, "Chart.yaml: cannot be read", id="syntax"),
        pytest.param({"Chart.yaml": "name: app\n"}, "no dependency in Chart.yaml matches", id="unknown"),
    ],
)  # fmt: skip
def test_a_chart_that_cannot_be_updated_says_why(
    kitchen: Kitchen, files: dict[str, str], message: str
):
    (kitchen.root / "app").mkdir()
    for name, text in files.items():
        kitchen.write(f"app/{name}", text)
    with pytest.raises(TerminalStepError, match=message):
        kitchen.run(STEP, path="app", **update("https://example.com", "1"))


def test_loopback_is_refused_unless_the_setting_opens_it(
    kitchen: Kitchen, repository: ChartRepository
):
    umbrella(kitchen, repository.url)
    kitchen.settings = StepSettings()
    with pytest.raises(TerminalStepError, match="loopback address"):
        kitchen.run(STEP, path="app")


@pytest.mark.usefixtures("_no_proxy")
def test_helm_goes_through_a_guard_that_lets_no_index_lead_to_cloud_metadata(
    kitchen: Kitchen, tmp_path: Path
):
    with ChartRepository(tmp_path / "sly") as repository:
        repository.add(write_chart(tmp_path, "shop", "1.0.0"))
        # helm knows no such spelling of this machine, and so asks the guard for it.
        chart = umbrella(kitchen, repository.url.replace("127.0.0.1", "127.1"))
        kitchen.run(STEP, path="app")
        assert locked(chart) == ["1.0.0"]
        index = repository.root / "index.yaml"
        index.write_text(
            re.sub(r"- \S+shop-1\.0\.0\.tgz", "- http://169.254.169.254/x.tgz", index.read_text())
        )
        with pytest.raises(RetryableStepError, match=r"169\.254\.169\.254, a link-local address"):
            kitchen.run(STEP, path="app")


def test_the_login_of_a_classic_repository_is_sent_to_it_alone(kitchen: Kitchen, tmp_path: Path):
    with ChartRepository(tmp_path / "locked", LOGIN.username, LOGIN.password) as repository:
        repository.add(write_chart(tmp_path, "shop", "1.0.0"))
        chart = umbrella(kitchen, repository.url)
        with pytest.raises(TerminalStepError, match="401"):
            kitchen.run(STEP, path="app")
        kitchen.logins.known[repository.url] = LOGIN
        with arguments_of_processes() as seen:
            kitchen.run(STEP, path="app")
        assert locked(chart) == ["1.0.0"]
        assert any(b"dependency\0update" in words for words in seen)
        left = [file.read_bytes() for file in kitchen.root.rglob("*") if file.is_file()]
        assert not [text for text in (*seen, *left) if LOGIN.password.encode() in text]
        kitchen.logins.known[repository.url] = Credential("robot", "wr0ng-pw")
        with pytest.raises(TerminalStepError, match="401") as caught:
            kitchen.run(STEP, path="app")
        assert "wr0ng-pw" not in str(caught.value)
        kitchen.settings = StepSettings(allow_loopback=True)
        repository.authorizations.clear()
        with pytest.raises(TerminalStepError, match="401"):
            kitchen.run(STEP, path="app")
        assert set(repository.authorizations) == {""}


@pytest.fixture(scope="module")
def registry() -> Iterator[DebianRegistry]:
    with DebianRegistry((LOGIN.username, LOGIN.password)) as running:
        yield running


def push(registry: DebianRegistry, home: Path, version: str) -> None:
    archive = pack(write_chart(home / f"v{version}", "shop", version), home / "packed")
    config = home / "registry.json"
    pair = f"{LOGIN.username}:{LOGIN.password}".encode()
    config.write_text(
        json.dumps({"auths": {registry.host: {"auth": base64.b64encode(pair).decode()}}})
    )
    run(
        "helm", "push", str(archive), f"oci://{registry.host}/charts",
        "--plain-http", f"--registry-config={config}", home=home,
    )  # fmt: skip


def test_a_chart_in_a_registry_is_downloaded_with_its_login(
    kitchen: Kitchen, registry: DebianRegistry, tmp_path: Path
):
    for version in ("1.0.0", "1.1.0"):
        push(registry, tmp_path, version)
    url = f"oci://{registry.host}/charts"
    chart = umbrella(kitchen, url)
    with pytest.raises(TerminalStepError, match="no basic auth credentials"):
        kitchen.run(STEP, path="app")
    kitchen.logins.known[f"{url}/shop"] = LOGIN
    result = kitchen.run(STEP, path="app", **update(url, "^1.0.0"))
    assert (result.output or {})["commitMessage"].endswith("\n- shop: 1.1.0")
    assert locked(chart) == ["1.1.0"]
    assert kitchen.logins.asked[-1] == ("helm", f"{url}/shop")


def test_helm_template_builds_what_the_lock_says(
    kitchen: Kitchen, repository: ChartRepository, tmp_path: Path
):
    chart = umbrella(kitchen, repository.url)
    kitchen.run(STEP, path="app")
    for archive in (chart / "charts").iterdir():
        archive.unlink()
    lock = (chart / "Chart.lock").read_text()
    config = {"path": "app", "outPath": "o.yaml", "releaseName": "r", "buildDependencies": True}
    for _ in range(2):
        kitchen.run(HelmTemplateStep(), **config)
        assert "version: 1.0.0" in (kitchen.root / "o.yaml").read_text()
    assert (chart / "Chart.lock").read_text() == lock
    assert re.search(r"name: r-shop", (kitchen.root / "o.yaml").read_text())


def test_the_example_of_helm_update_chart_sets_the_freights_version(
    kitchen: Kitchen, tmp_path: Path
):
    with ChartRepository(tmp_path / "charts") as repository:
        repository.add(write_chart(tmp_path, "shop", "0.4.1"))
        hosts = {"https://charts.example.com": repository.url}
        umbrella(kitchen, repository.url, "0.4.0")
        (kitchen.root / "source/charts").mkdir(parents=True)
        chart = (kitchen.root / "app").rename(kitchen.root / "source/charts/umbrella")
        kitchen.run(STEP, **example_config("helm-update-chart", hosts=hosts))
        assert locked(chart) == ["0.4.1"]
