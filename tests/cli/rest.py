"""Airflow's REST API as far as the command reads it, over registers in memory; every call is counted,
and none may write."""

from __future__ import annotations

import io
from collections.abc import Mapping
from urllib.parse import unquote

import httpx

from airfreight.cli.main import main
from airfreight.cli.world import World
from airfreight.model.naming import FREIGHT, pipeline_dag_id, stage_register_asset, warehouse_asset
from tests.runtime.memory import Pipeline

_PREFIX = "/api/v2/assets/"


class Rest:
    """Answers for project ``shop``, whose pipeline is called ``web``."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.calls: list[str] = []
        self._assets = [
            *(
                (warehouse_asset("shop", name), pipeline.stores[name])
                for name in pipeline.warehouses
            ),
            *(
                (stage_register_asset("shop", name), pipeline.stores[name])
                for name in pipeline.stages
            ),
        ]

    def get(self, *words: str) -> str:
        """Return what ``airfreight get <words>`` prints."""
        code, out, err = self.run("get", *words)
        assert code == 0, err
        return out

    def run(self, *words: str) -> tuple[int, str, str]:
        """Return the exit code of ``airfreight <words>`` and what it wrote to standard output and error."""
        out, err = io.StringIO(), io.StringIO()
        environ = {"AIRFREIGHT_TOKEN": "t", "AIRFREIGHT_USERNAME": "alice"}
        world = World(out, err, environ, lambda seconds: None, httpx.MockTransport(self._answer))
        return main(words, world), out.getvalue(), err.getvalue()

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = unquote(request.url.raw_path.decode().partition("?")[0])
        self.calls.append(path)
        if request.method != "GET":
            return httpx.Response(405)
        if path.startswith(_PREFIX):
            number, _, key = path.removeprefix(_PREFIX).partition("/state-store")
            return self._state(int(number), key.removeprefix("/"), request.url.params)
        if path == "/api/v2/assets":
            rows = [_asset(number, uri) for number, (uri, _) in enumerate(self._assets)]
            return _listed("assets", rows, request.url.params)
        field = "hitl_details" if path.endswith("/hitlDetails") else "task_instances"
        return _listed(field, [], request.url.params)

    def _state(self, number: int, key: str, query: Mapping[str, str]) -> httpx.Response:
        store = self._assets[number][1]
        if not key:
            rows = [{"key": name, "value": store.get(name)} for name in sorted(store.texts)]
            return _listed("asset_state_store", rows, query)
        if key not in store.texts:
            return httpx.Response(404, json={"detail": "no such key"})
        return httpx.Response(200, json={"key": key, "value": store.get(key)})


def _asset(number: int, uri: str) -> dict[str, object]:
    task = {"dag_id": pipeline_dag_id("shop", "web"), "task_id": FREIGHT}
    return {"id": number, "uri": uri, "consuming_tasks": [task]}


def _listed(field: str, rows: list[dict[str, object]], query: Mapping[str, str]) -> httpx.Response:
    begin = int(query["offset"])
    page = rows[begin : begin + int(query["limit"])]
    return httpx.Response(200, json={field: page, "total_entries": len(rows)})
