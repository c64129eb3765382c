from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from airfreight.errors import ArtifactError
from airfreight.runtime.watch import COMPARE_AFTER, HANDLED, REPEAT_AFTER, Handled
from airfreight.sources.base import Access, Source
from airfreight.triggers.warehouse import WarehouseTrigger, until_next_poll

REPOSITORY = "registry.example/web"


class Store:
    """The asset state store as a trigger sees it."""

    def __init__(self, handled: Any = None) -> None:
        self.handled = handled
        self.reads = 0

    async def aget(self, key: str, default: Any) -> Any:
        assert key == HANDLED
        self.reads += 1
        return default if self.handled is None else self.handled


class Tags:
    """A source whose poll lists versions, of which it takes the greatest; it refuses to judge what holds a ``?``."""

    url = credential_url = REPOSITORY
    credential_kind = "image"

    async def mark(self, seen: Any, access: Access) -> str:
        if any("?" in tag for tag in seen):
            raise ArtifactError("cannot be judged")
        return max(seen, default="")


class Watcher(WarehouseTrigger):
    """A trigger whose clock stands where the test puts it."""

    now = 1000.0

    def clock(self) -> float:
        return self.now

    def source(self) -> Source:
        return cast(Source, Tags())


def watcher(handled: Any = None, interval: float = 10.0) -> Watcher:
    made = Watcher(warehouse="shop/web", spec="spec", subscription={}, poke_interval=interval)
    made.asset_state_store = Store(handled)  # type: ignore[assignment]
    return made


def tags(*names: str) -> dict[str, Any]:
    return {"seen": list(names)}


async def fired(made: Watcher, polls: Iterable[Any]) -> list[str]:
    """Return the tags that a watcher fires for. A number among the polls lets so many seconds pass."""

    async def stream() -> AsyncIterator[dict[str, Any]]:
        for poll in polls:
            if isinstance(poll, dict):
                yield poll
            else:
                made.now += poll

    seen = []
    async for event in made.filter_shared_stream(stream()):
        assert event.payload["warehouse"] == "shop/web"
        seen.append(event.payload["seen"])
    return seen


def handled(mark: str, source: str = REPOSITORY, spec: str = "spec", **fields: Any) -> Any:
    return Handled(spec=spec, marks={source: mark}, **fields).to_json()


HANDLED_1_0 = handled("1.0.0")


async def test_a_watcher_fires_once_for_news():
    polls = [tags("1.0.0"), tags("1.0.0", "1.1.0"), 5, tags("1.1.0", "1.0.0")]
    assert await fired(watcher(HANDLED_1_0), polls) == ["1.1.0"]


async def test_a_watcher_that_joins_late_fires_for_what_is_there():
    assert await fired(watcher(), [tags("1.0.0")]) == ["1.0.0"]


async def test_a_watcher_does_not_fire_again_after_a_restart_for_what_was_handled():
    assert await fired(watcher(HANDLED_1_0), [tags("1.0.0"), REPEAT_AFTER, tags("1.0.0")]) == []


async def test_a_quiet_repository_is_polled_without_a_read_of_the_register():
    made = watcher(HANDLED_1_0)
    polls = [tags("1.0.0"), 10, tags("1.0.0"), REPEAT_AFTER, tags("1.0.0")]
    polls += [COMPARE_AFTER, tags("1.0.0")]
    assert await fired(made, polls) == []
    assert isinstance(made.asset_state_store, Store)
    assert made.asset_state_store.reads == 2


async def test_a_watcher_fires_again_after_a_while_for_what_was_not_handled():
    polls = [tags("1.1.0"), REPEAT_AFTER - 1, tags("1.1.0"), 1, tags("1.1.0")]
    assert await fired(watcher(HANDLED_1_0), polls) == ["1.1.0", "1.1.0"]


async def test_a_watcher_stops_firing_when_the_news_is_handled():
    made = watcher(HANDLED_1_0)
    assert await fired(made, [tags("1.1.0")]) == ["1.1.0"]
    made.asset_state_store = Store(handled("1.1.0"))  # type: ignore[assignment]
    assert await fired(made, [tags("1.1.0"), 9 * REPEAT_AFTER, tags("1.1.0")]) == []


async def test_a_watcher_goes_on_after_a_poll_that_failed(caplog, capsys):
    made = watcher(HANDLED_1_0)
    with caplog.at_level(logging.WARNING):
        assert await fired(made, [{"error": "registry is down"}, tags("1.1.0")]) == ["1.1.0"]
    # Once Airflow has set its logging up in this process, the line goes to standard output.
    said = caplog.text + capsys.readouterr().out
    assert "Warehouse shop/web: registry is down" in said


async def test_a_failed_poll_is_not_taken_for_an_empty_repository():
    polls = [tags("1.1.0"), {"error": "registry is down"}, tags("1.1.0")]
    assert await fired(watcher(HANDLED_1_0), polls) == ["1.1.0"]


@pytest.mark.parametrize("names", [("1.0.0", "0.9.0"), ()], ids=["older", "nothing is left"])
async def test_what_the_subscription_does_not_take_fires_nothing(names):
    assert await fired(watcher(HANDLED_1_0), [tags(*names)]) == []


async def test_a_subscription_that_cannot_be_evaluated_fires_nothing_and_goes_on():
    """The stream is shared: what one subscription raises would end the watchers of all."""
    assert await fired(watcher(), [tags("1.0.0?"), tags("1.1.0")]) == ["1.1.0"]


async def test_what_another_spec_handled_is_looked_at_again():
    assert await fired(watcher(handled("1.0.0", spec="before")), [tags("1.0.0")]) == ["1.0.0"]


@pytest.mark.parametrize(
    ("ago", "expected"), [(1, []), (9, ["1.0.0"])], ids=["just now", "an interval ago"]
)
async def test_a_look_without_freight_is_repeated_after_an_interval_by_whichever_watcher(
    ago, expected
):
    """Each subscription has a watcher: one look counts for all of them."""
    looked_at = datetime.now(UTC) - timedelta(seconds=ago)
    made = watcher(handled("1.0.0", looked_at=looked_at), interval=10.0)
    assert await fired(made, [tags("1.0.0")]) == expected


async def test_an_unexpected_error_is_logged_and_ends_no_watcher(caplog, capsys):
    made = watcher(HANDLED_1_0)
    with caplog.at_level(logging.WARNING):
        assert await fired(made, [{"seen": [1]}, tags("1.1.0")]) == ["1.1.0"]
    assert "a fault of Airfreight: TypeError" in caplog.text + capsys.readouterr().out


async def test_what_cannot_be_handled_wakes_a_warehouse_once_an_interval():
    interval = 3 * REPEAT_AFTER
    polls = [tags("1.1.0"), REPEAT_AFTER, tags("1.1.0"), interval - REPEAT_AFTER, tags("1.1.0")]
    assert await fired(watcher(HANDLED_1_0, interval), polls) == ["1.1.0", "1.1.0"]


async def test_what_was_handled_of_another_repository_does_not_count():
    made = watcher(handled("1.0.0", "registry.example/other"))
    assert await fired(made, [tags("1.0.0")]) == ["1.0.0"]


@pytest.mark.parametrize(
    "junk",
    ["1.0.0", ["1.0.0"], {REPOSITORY: "1.0.0"}, {"spec": "spec", "marks": {REPOSITORY: 7}}, {}],
)
async def test_a_store_that_holds_something_else_counts_as_nothing_handled(junk):
    assert await fired(watcher(junk), [tags("1.0.0")]) == ["1.0.0"]


def sharing(**fields: Any) -> object:
    image = {"repoURL": REPOSITORY, **fields.pop("subscription", {})}
    known = {"warehouse": "shop/web", "spec": "spec", "subscription": {"image": image}}
    return WarehouseTrigger(**{**known, **fields}).shared_stream_key()


SHARED = {
    "another warehouse": {"warehouse": "shop/api"},
    "another constraint": {"subscription": {"constraint": "^1.0.0"}},
    "another spelling": {"subscription": {"repoURL": "Registry.Example/web"}},
}
APART = {
    "another repository": {"subscription": {"repoURL": "registry.example/api"}},
    "another connection": {"repository_conn_id": "airfreight_shop_other"},
    "another interval": {"poke_interval": 60.0},
    "another project's Connection": {"warehouse": "evil/web", "repository_conn_id": "c"},
    "without a look at certificates": {"subscription": {"insecureSkipTLSVerify": True}},
}


@pytest.mark.parametrize("fields", SHARED.values(), ids=SHARED)
def test_watchers_of_one_repository_share_a_poll(fields):
    assert sharing(**fields) == sharing()


ECR = {"subscription": {"repoURL": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web"}}


def test_what_the_worker_sees_in_the_role_of_a_project_is_for_that_project_alone():
    assert sharing(**ECR, warehouse="shop/api") == sharing(**ECR)
    assert sharing(**ECR, warehouse="ops/web") != sharing(**ECR)
    by_connection = {**ECR, "repository_conn_id": "airfreight_shared_ecr"}
    assert sharing(**by_connection, warehouse="ops/web") != sharing(**by_connection)


@pytest.mark.parametrize("fields", APART.values(), ids=APART)
def test_watchers_that_would_poll_differently_do_not_share_one(fields):
    assert sharing(**fields) != sharing()


@pytest.mark.parametrize("took", [0.0, 20.0])
@pytest.mark.parametrize("phase", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_stream_polls_at_its_place_of_the_interval_and_never_twice_in_half_of_one(phase, took):
    interval, first = 60.0, phase * 10
    ended = first + took
    second = ended + until_next_poll(phase, interval, ended)
    assert (second - phase * interval) % interval == pytest.approx(0)
    assert interval / 2 <= second - ended < 1.5 * interval
    assert until_next_poll(phase, interval, second + took) == pytest.approx(interval - took)
