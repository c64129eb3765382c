"""``make demo``: from a bare clone to a guestbook that waits for approval in prod; Ctrl-C stops everything."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from demo.checks import (
    CannotStartError,
    require_free_ports,
    require_git,
    stop_running_demo,
    take_home,
)
from demo.guestbook import FIRST_TAG, IMAGE, WAREHOUSE_DAG, Guestbook, airflow_env, push_first_image
from demo.ports import wait_until_listening
from demo.processes import Child, ProcessFailedError, stop_all, uninterrupted
from demo.progress import NotReachedError, Progress
from demo.stack import Stack, stop_leftover_stack
from demo.world import GIT_PORT, REGISTRY_PORT

_ROOT = Path(__file__).resolve().parent.parent
_HOME = _ROOT / ".demo"
_AIRFLOW_PORT = 8080
_REGISTRY_URL = f"http://127.0.0.1:{REGISTRY_PORT}"

_NEXT = f"""
Airflow:    http://localhost:{_AIRFLOW_PORT}
Login:      admin / admin    (alice: user, bob: op, carol: viewer; each password is the name)
Registry:   http://127.0.0.1:{REGISTRY_PORT}    GitOps repository: http://airfreight:airfreight@127.0.0.1:{GIT_PORT}/guestbook/gitops.git

To try in another terminal, in this folder, after `source .demo/env.sh`:
  approve     uv run airfreight respond <request> --approve --message "looks good"
  new version uv run python -m demo.push 1.1.0
  roll back   uv run airfreight promote --freight-alias {{alias}} --stage prod
  backfill    uv run airflow backfill create --dag-id {WAREHOUSE_DAG} --from-date 2026-01-01 --to-date 2026-01-03

Ctrl-C stops everything; `make demo` goes on from there.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM; exit code 1 where the demo cannot start or a part of it ends."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--down", action="store_true", help="stop a demo, or what a killed one left"
    )
    down = parser.parse_args(argv).down
    signal.signal(signal.SIGTERM, _interrupt)
    progress = Progress(sys.stdout)
    try:
        if down:
            _down(progress)
        else:
            _demo(progress)
    except (CannotStartError, ProcessFailedError, TimeoutError) as error:
        progress.say(f"demo: {error}")
        return 1
    except KeyboardInterrupt:
        progress.say("stopped")
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _down(progress: Progress) -> None:
    was_running = stop_running_demo(_HOME, timeout=60)
    stopped = stop_leftover_stack(_HOME)
    progress.say("stopped" if was_running or stopped else "nothing was running")


def _demo(progress: Progress) -> None:
    require_git()
    with take_home(_HOME):
        stop_leftover_stack(_HOME)
        ports = {
            _AIRFLOW_PORT: "Airflow",
            REGISTRY_PORT: "the registry",
            GIT_PORT: "the Git server",
        }
        require_free_ports(ports)
        command = (sys.executable, "-m", "demo.world", "--folder", str(_HOME / "world"))
        world = Child("world", command, _HOME, os.environ | {"PYTHONPATH": str(_ROOT)})
        stack = Stack(
            _HOME,
            _ROOT / "dags",
            _ROOT / "plugins",
            api_port=_AIRFLOW_PORT,
            extra_env=airflow_env(),
        )
        try:
            _start(progress, world, stack)
            _follow(progress, stack)
            while True:
                stack.check_running()
                time.sleep(2)
        finally:
            progress.say("stopping …")
            with uninterrupted():
                stack.stop()
                stop_all([world], grace=5)


def _start(progress: Progress, world: Child, stack: Stack) -> None:
    def database() -> str:
        # The database is started first: it ends what an earlier, killed run of this home left.
        stack.start_database()
        return "PostgreSQL with Airflow's tables"

    def servers() -> str:
        stack.start_components()
        world.start()
        wait_until_listening(REGISTRY_PORT, timeout=30)
        push_first_image(_REGISTRY_URL)
        return f"{IMAGE}:{FIRST_TAG} is in the registry"

    def airflow() -> str:
        stack.wait_until_healthy(timeout=180)
        return stack.url

    progress.did("database up", database)
    progress.did("demo world up", servers)
    progress.did("Airflow up", airflow)
    _write_env(stack, _HOME / "env.sh")


def _follow(progress: Progress, stack: Stack) -> None:
    """Report how far the first image gets; where it stops, say so and leave Airflow running to look at."""
    alias = "<alias>"
    with stack.api() as api:
        guestbook = Guestbook(api, _HOME / "world" / "git")
        try:
            progress.until("DAGs loaded", guestbook.dags_loaded, timeout=120)
            guestbook.unpause()
            alias = progress.until("image discovered", guestbook.discovered, timeout=180)
            for stage in ("dev", "staging"):
                promoted = partial(guestbook.promoted, stage)
                progress.until(f"{stage} promoted", promoted, timeout=180)
            progress.until(
                "prod waits for approval",
                partial(guestbook.waits_for_approval, "prod"),
                timeout=120,
            )
        except NotReachedError as error:
            progress.say(f"demo: {error}")
    progress.say(_NEXT.format(alias=alias))


def _write_env(stack: Stack, path: Path) -> None:
    """What the commands `airflow` and `airfreight` need to meet this demo; it holds the demo's secrets."""
    names = ("AIRFLOW", "PYTHONPATH")
    settings = {key: value for key, value in stack.env.items() if key.startswith(names)} | {
        "AIRFREIGHT_API_URL": stack.url,
        "AIRFREIGHT_USERNAME": "admin",
        "AIRFREIGHT_PASSWORD": "admin",
    }
    lines = [f"export {key}={shlex.quote(value)}\n" for key, value in sorted(settings.items())]
    path.touch(mode=0o600)
    path.write_text("".join(lines))


if __name__ == "__main__":
    raise SystemExit(main())
