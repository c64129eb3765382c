"""`airfreight discover` at a desk: manifests in a folder, a Git server with a login, no Airflow that runs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airfreight.cli.main import main
from airfreight.cli.world import World
from tests.cli.plan_desk import PASSWORD, environment
from tests.git_http import GitHttpServer


class Desk:
    """Project ``shop`` with a Warehouse ``web`` of the repository ``app``."""

    def __init__(self, root: Path, server: GitHttpServer) -> None:
        self.pipelines = root / "pipelines"
        self._folder = self.pipelines / "shop"
        self._folder.mkdir(parents=True)
        self.server = server
        self.ids = [server.create("app", {"a.txt": "1"})]
        for name in ("b.txt", "docs/c.md"):
            self.ids.append(server.commit("app", {name: "x"}, f"Add {name}"))

    def discover(self, *words: str, warehouse: str = "web", **spec: Any) -> tuple[int, str, str]:
        git = {"repoURL": self.server.url("app"), "excludePaths": ["docs"], **spec.pop("git", {})}
        documents = [
            {
                "apiVersion": "kargo.akuity.io/v1alpha1",
                "kind": "Warehouse",
                "metadata": {"name": "web"},
                "spec": {"subscriptions": [{"git": git}], **spec},
            },
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": "git",
                    "labels": {"kargo.akuity.io/cred-type": "git"},
                    "annotations": {"airfreight/connection": "airfreight_shop_gitops"},
                },
                "stringData": {"repoURL": self.server.url("app")},
            },
        ]
        (self._folder / "shop.yaml").write_text(yaml.safe_dump_all(documents))
        out, err = io.StringIO(), io.StringIO()
        world = World(out, err, {}, lambda _: None)
        arguments = ["discover", "shop", warehouse, "--pipelines", str(self.pipelines), *words]
        return main(arguments, world), out.getvalue(), err.getvalue()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    variables = environment(tmp_path) | {"AIRFLOW__AIRFREIGHT__CACHE_FOLDER": str(tmp_path / "c")}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with GitHttpServer(tmp_path / "repositories", "ci", PASSWORD) as server:
        yield Desk(tmp_path, server)


def test_a_table_shows_what_is_taken_what_is_not_and_the_freight(desk: Desk) -> None:
    code, out, err = desk.discover()
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["SUBSCRIPTION", "VERSION", "CREATED", "TAKEN"]
    first, second, third = (line.split() for line in lines[1:4])
    assert (first[1], first[-1]) == (desk.ids[1], "newest")
    assert (second[1], second[-1]) == (desk.ids[0], "yes")
    assert third[1].startswith(desk.ids[2][:7])
    assert lines[-1].startswith("Freight ")
    assert len(lines[-1]) == len("Freight ") + 40


def test_json_tells_the_same_to_programs(desk: Desk) -> None:
    code, out, _ = desk.discover("-o", "json")
    subscription, outcome = json.loads(out)
    assert code == 0
    assert [one["id"] for one in subscription["artifacts"]] == [desk.ids[1], desk.ids[0]]
    assert len(subscription["rejected"]) == 1
    assert outcome["freight"].startswith("Freight ")


OUTCOMES: dict[str, tuple[dict[str, Any], str]] = {
    "by hand only": (
        {"freightCreationPolicy": "Manual"},
        "no Freight: the Warehouse makes none by itself (freightCreationPolicy: Manual)",
    ),
    "a criterion": (
        {"freightCreationCriteria": {"expression": "1 > 2"}},
        "no Freight: freightCreationCriteria is false: 1 > 2",
    ),
    "nothing there": ({"git": {"includePaths": ["x"]}}, "has nothing that meets the subscription"),
}


@pytest.mark.parametrize(("spec", "said"), OUTCOMES.values(), ids=OUTCOMES)
def test_why_there_is_no_freight_is_said(desk: Desk, spec: dict[str, Any], said: str) -> None:
    code, out, _ = desk.discover(**spec)
    assert code == 0
    assert out.splitlines()[-1].endswith(said)


FAULTS: dict[str, tuple[tuple[str, ...], dict[str, Any], int, str]] = {
    "another Warehouse": (
        (),
        {"warehouse": "wep"},
        1,
        "has no Warehouse 'wep'; did you mean 'web'?",
    ),
    "no time": (("--as-of", "noon"), {}, 2, "--as-of 'noon': expected a time such as 2026-05-04"),
    "a wrong manifest": ((), {"git": {"branch": "..x"}}, 1, "is disabled by its manifests"),
    "a criterion that fails": (
        (),
        {"freightCreationCriteria": {"expression": "now() == nil ? 1 : 2"}},
        1,
        "freightCreationCriteria: expected true or false, got int",
    ),
}


@pytest.mark.parametrize(("words", "spec", "code", "said"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_shown_is_one_line(
    desk: Desk, words: tuple[str, ...], spec: dict[str, Any], code: int, said: str
) -> None:
    found, _, err = desk.discover(*words, **spec)
    assert found == code
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_refused_login_is_told_and_shows_no_password(desk: Desk) -> None:
    desk.server.password = "another"
    code, out, err = desk.discover()
    assert code == 3
    assert desk.server.url("app") in err
    assert PASSWORD not in out + err


def test_it_runs_where_airflow_loads_the_plugin_at_once(desk: Desk) -> None:
    """As the demo's environment has it: the plugin would find half of our modules imported."""
    desk.discover()
    plugins = Path(__file__).parents[2] / "plugins"
    environ = {
        **os.environ,
        "AIRFLOW__CORE__LAZY_LOAD_PLUGINS": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
    }
    command = [str(Path(sys.executable).with_name("airfreight")), "discover", "shop", "web"]
    command += ["--pipelines", str(desk.pipelines), "-o", "json"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stdout + done.stderr) == (0, False)
    assert len(json.loads(done.stdout)) == 2


def test_an_earlier_date_shows_what_a_backfill_would_find(desk: Desk) -> None:
    code, out, _ = desk.discover("--as-of", "2001-01-01")
    assert code == 0
    assert out.splitlines()[-1].startswith("no Freight: ")
