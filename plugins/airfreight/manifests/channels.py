"""Message channels: where messages go, and which login opens the way."""

from __future__ import annotations

from typing import Any

from airfreight.manifests.nodes import Path
from airfreight.manifests.resources import Resource
from airfreight.manifests.secrets import CONNECTION
from airfreight.manifests.shapes import read_model
from airfreight.model.channel import MessageChannel
from airfreight.model.connections import SHARED_PREFIX, ConnectionIds, named_connections


def read_channel(resource: Resource, ids: ConnectionIds) -> MessageChannel | None:
    """Return the channel, or None where it is at fault."""
    cluster = resource.kind == "ClusterMessageChannel"
    data: dict[str, Any] = {**resource.section("spec"), "name": resource.name, "cluster": cluster}
    if cluster:
        data.pop("secretRef", None)
        data["connectionId"] = _connection(resource, ids)
    channel = read_model(MessageChannel, data, _where, resource.found)
    if channel is not None and channel.slack and not (cluster or channel.secret_ref):
        message = "required field is missing"
        resource.found.error(("spec", "secretRef"), message, "its Secret names Slack's token")
    if channel is not None and channel.notifier:
        for place, named in named_connections(channel.notifier.args):
            if refusal := ids.refusal(named):
                resource.found.error(("spec", "notifier", "args", *place), refusal)
    return None if resource.found.errors else channel


def _where(path: Path) -> Path:
    return ("metadata", *path) if path[:1] == ("name",) else ("spec", *path)


def _connection(resource: Resource, ids: ConnectionIds) -> str:
    """Return the Connection that all projects share and this channel names; it reads no Secret."""
    path = ("metadata", "annotations", CONNECTION)
    hint = f"name a Connection that begins with {SHARED_PREFIX}"
    spec = resource.section("spec")
    needed = "notifier" not in spec and any(key in spec for key in ("slack", "secretRef"))
    named = resource.annotations.get(CONNECTION, "")
    if not named and needed:
        message = "required annotation is missing: a ClusterMessageChannel reads no Secret"
        resource.found.error(path, message, hint)
    elif named and (refusal := ids.refusal(named)):
        resource.found.error(path, refusal, hint)
    return named
