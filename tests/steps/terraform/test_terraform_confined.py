"""What a configuration's own programs see of the worker, and that they end with the step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from airfreight.hooks.processes import watched
from tests.steps.terraform.conftest import PASSWORD, Site

RUNS = 'resource "terraform_data" "a" {\n  provisioner "local-exec" {\n    command = "%s"\n  }\n}\n'


def commands() -> Iterator[str]:
    """Yield the command line of every process of this machine."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes().decode(errors="replace")
        except OSError:
            continue


def test_the_worker_is_out_of_sight(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "airflow.cfg"
    secret.write_text("fernet_key")
    site.write(
        "infra/main.tf",
        RUNS % f"env > env.txt; cat {secret} /etc/passwd > seen.txt; ls /proc >> seen.txt",
    )
    assert site.run("tf-apply", env=[{"name": "MINE", "value": "mine"}]).error
    assert (site.root / "infra/seen.txt").read_text() == ""
    names = {
        line.partition("=")[0] for line in (site.root / "infra/env.txt").read_text().split("\n")
    }
    assert "MINE" in names
    assert "PYTEST_CURRENT_TEST" not in names


def test_no_variable_reaches_what_makes_the_jail(site: Site, tmp_path: Path) -> None:
    for name in ("unshare", "mount", "mkdir", "sh"):
        trap = site.write(f"bin/{name}", f"#!/bin/sh\necho {name} >> {tmp_path}/escaped\n")
        trap.chmod(0o755)
    path = f"{site.root}/bin:/bin:/usr/bin"
    given = [{"name": "PATH", "value": path}, {"name": "ENV", "value": f"{site.root}/bin/sh"}]
    site.write("infra/main.tf", RUNS % "echo $PATH > path.txt")
    site.outputs("tf-apply", env=given)
    assert (site.root / "infra/path.txt").read_text().strip() == path
    assert not (tmp_path / "escaped").exists()


def test_an_abort_kills_it_with_all_that_it_started_and_no_process_showed_a_value(
    site: Site,
) -> None:
    started, stopped = site.root / "infra/started", threading.Event()
    seen: list[str] = []

    def is_aborted() -> bool:
        if started.exists():
            seen.extend(commands())
        return started.exists()

    site.write("infra/main.tf", 'variable "x" {}\n' + RUNS % "touch started; sleep 98765")
    given = {"name": "x", "value": PASSWORD}
    with watched(is_aborted, stopped, 0.05):
        ended = site.run("tf-apply", vars=[given], env=[{"name": "TOKEN", "value": PASSWORD}])
    assert "terraform apply failed" in (ended.error or "")
    assert stopped.is_set()
    assert any("98765" in line for line in seen)
    assert not any(PASSWORD in line for line in seen)
    assert not any("98765" in line for line in commands())
