"""The command `airfreight` against a live Airflow."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.live.manifests import PASSES, auto, project, stage, warehouse
from tests.live.terminal import airfreight, call, rows
from tests.live.world import SHARED_GIT, World, run_id_of
from tests.mail_server import MailServer

PROJECT = "command"
PIPELINE = f"{PROJECT}.pipeline.app"
TELLS = """\
      steps:
      - uses: send-message
        config:
          channel: {kind: MessageChannel, name: mail}
          message: ${{ ctx.targetFreight.alias }} goes to ${{ ctx.stage }}
      - uses: record-audit-event
        config: {message: told, type: mailed, data: {password: "${{ secret('git').password }}"}}"""


def mail_channel(server: MailServer) -> str:
    return f"""\
---
apiVersion: ee.kargo.akuity.io/v1alpha1
kind: MessageChannel
metadata: {{name: mail}}
spec:
  secretRef: {{name: git}}
  smtp:
    from: kargo@example.com
    to: [team@example.com]
    host: 127.0.0.1
    port: {server.port}
    useTLS: false
"""


def test_the_command_shows_approves_promotes_and_answers(world: World) -> None:
    with MailServer(user=(SHARED_GIT["login"], SHARED_GIT["password"])) as server:
        alias, run = wait_at_prod(world, server)
    (mail,) = server.mails
    assert mail.get_content().strip() == f"{alias} goes to dev"
    check_command(world, alias, run)


def wait_at_prod(world: World, server: MailServer) -> tuple[str, str]:
    """Let Freight travel to prod's gate; return its alias and its run."""
    world.registry.push_image("command/app", "1.0.0", created=datetime.now(UTC))
    manifests = project(PROJECT, auto("dev")) + warehouse("app", "command/app")
    manifests += mail_channel(server) + stage("dev", ["app"], "direct: true", TELLS)
    manifests += stage("prod", ["app"], "stages: [dev]", PASSES)
    manifests += stage("lab", ["app"], "stages: [prod]", PASSES)
    world.add_project(PROJECT, manifests)
    world.unpause(PIPELINE)
    world.unpause(f"{PROJECT}.warehouse.app")
    alias = world.wait_for_freight(PROJECT, 1)["alias"]
    run = run_id_of(world.freight(PROJECT)[0])
    world.wait_for_state(PIPELINE, run, "prod.gate", "awaiting_input")
    return alias, run


def check_command(world: World, alias: str, run: str) -> None:
    (freight,) = rows(world, PROJECT, "get", "freight")
    assert freight["alias"] == alias
    assert freight["currentIn"] == freight["verifiedIn"] == ["dev"]
    stages = {row["stage"]: row for row in rows(world, PROJECT, "get", "stages")}
    assert [held["alias"] for held in stages["dev"]["freight"]] == [alias]
    assert stages["prod"]["requests"] == [f"prod/{run}"]
    assert [row["phase"] for row in rows(world, PROJECT, "get", "promotions")] == ["Succeeded"]
    (event,) = rows(world, PROJECT, "get", "events", "--type", "mailed")
    assert (event["stage"], event["message"], event["data"]) == ("dev", "told", {"password": "***"})
    assert alias in airfreight(world, PROJECT, "get", "freight")[1]

    code, _, err = airfreight(
        world, PROJECT, "promote", "--freight-alias", alias, "--stage", "lab", "--wait"
    )
    assert code == 1
    assert "not verified in prod" in err
    code, out, err = airfreight(
        world, PROJECT, "approve", "--freight-alias", alias, "--stage", "lab"
    )
    assert (code, err) == (0, ""), out
    assert f"approved/{freight['name']}" in world.register(f"airfreight://{PROJECT}/stages/lab")

    folder = str(world.folder / "include" / "pipelines")
    code, out, err = call(
        world, "plan", PROJECT, "--freight", alias, "--stage", "lab", "--pipelines", folder
    )
    assert code == 0, err
    assert f"Plan: Freight {alias} " in out
    assert "Available: approved by admin" in out
    assert "Comes to its end" in out

    assert (
        airfreight(world, PROJECT, "respond", f"prod/{alias}", "--approve", "--message", "go")[0]
        == 0
    )
    world.wait_for_state(PIPELINE, run, "prod.promote", "success")
    assert airfreight(world, PROJECT, "respond", "prod/no-such", "--approve")[0] == 1
    assert airfreight(world, PROJECT, "refresh", "warehouse", "app", "--wait")[0] == 0
