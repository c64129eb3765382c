"""A process that dies around its sync: the next one makes no second sync."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from airfreight.model.promotion import StepStatus
from tests.argocd_server import COMMIT
from tests.steps.argocd.conftest import Bench

ROOT = Path(__file__).parents[3]
REPO = "https://git.example.com/shop/gitops.git"
APP = {
    "name": "web",
    "sources": [{"repoURL": REPO, "desiredRevision": COMMIT, "updateTargetRevision": True}],
}
SCRIPT = """
import os, signal, sys
from pathlib import Path
from airfreight.artifacts.argocd import kubernetes, rest
from tests.argocd_server import ArgocdServer
from tests.steps.argocd.conftest import Bench
from tests.steps.argocd.test_argocd_kill import APP

doors = {door.__name__: door for door in (kubernetes.KubernetesApplications, rest.RestApplications)}
Bench(ArgocdServer(sys.argv[1]), doors[sys.argv[2]], Path(".")).update(APP)
os.kill(os.getpid(), signal.SIGKILL)
"""


def start(bench: Bench) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, bench.server.url, bench.door.__name__],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"},
        cwd=ROOT,
    )


@pytest.mark.parametrize("moment", ["before", "while", "after"])
def test_a_step_that_was_killed_makes_one_sync_in_the_end(bench: Bench, moment: str) -> None:
    bench.server.add()
    process: subprocess.Popen[bytes] | None = None
    killed = threading.Event()

    def kill() -> None:
        assert process is not None
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        if moment == "before":
            bench.server.refusing = (503, {"message": "the request never arrived"})
        killed.set()

    if moment != "after":
        bench.server.meanwhile.append(kill)
    process = start(bench)
    assert process.wait(60) == -signal.SIGKILL
    # The process is gone a moment before the server has refused its request.
    assert moment == "after" or killed.wait(60)
    bench.server.refusing = None

    assert bench.update(APP).status is StepStatus.RUNNING
    assert bench.update(APP).status is StepStatus.RUNNING
    bench.server.finish()
    assert bench.update(APP).status is StepStatus.SUCCEEDED
    assert len(bench.server.begun) == 1
    assert bench.server.apps["argocd", "web"]["spec"]["source"]["targetRevision"] == COMMIT
