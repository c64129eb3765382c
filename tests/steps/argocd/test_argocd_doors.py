"""In what the two doors differ."""

from __future__ import annotations

from typing import Any

import pytest

from airfreight.artifacts.argocd.rest import may_sync
from airfreight.errors import RetryableStepError
from airfreight.model.promotion import StepStatus
from tests.steps.argocd.conftest import Bench


def test_through_kubernetes_a_hard_refresh_goes_with_the_sync(cluster: Bench) -> None:
    cluster.server.add()
    cluster.update()
    metadata = cluster.server.apps["argocd", "web"]["metadata"]
    assert metadata["annotations"]["argocd.argoproj.io/refresh"] == "hard"
    assert [request.split()[0] for request in cluster.server.asked] == ["GET", "PATCH"]


@pytest.mark.parametrize(
    ("actor", "initiator"),
    [
        ("", {"username": "airfreight", "automated": True}),
        ("alice", {"username": "alice", "automated": False}),
    ],
    ids=["automatic", "a-person's"],
)
def test_through_kubernetes_the_sync_says_who_decided(
    cluster: Bench, actor: str, initiator: dict[str, Any]
) -> None:
    cluster.server.add()
    cluster.actor = actor
    cluster.update()
    assert cluster.server.begun[0]["initiatedBy"] == initiator


def test_through_argocd_a_sync_without_changes_needs_no_right_to_update(rest: Bench) -> None:
    rest.server.add()
    rest.update()
    path = "/api/v1/applications/web"
    assert rest.server.asked == [
        f"GET {path}",
        f"GET {path}/syncwindows",
        f"GET {path}",
        f"POST {path}/sync",
    ]


@pytest.mark.parametrize(
    ("windows", "automatic", "by_hand"),
    [
        pytest.param({"canSync": True}, True, True, id="none"),
        pytest.param(
            {"activeWindows": [{"kind": "deny"}], "canSync": False}, False, False, id="denied"
        ),
        pytest.param(
            {"activeWindows": [{"kind": "deny", "manualSync": True}], "canSync": True},
            False,
            True,
            id="denied-but-for-people",
        ),
        pytest.param(
            {"activeWindows": [{"kind": "allow"}, {"kind": "deny"}], "canSync": False},
            False,
            False,
            id="denied-and-allowed",
        ),
        pytest.param(
            {
                "activeWindows": [{"kind": "allow"}],
                "assignedWindows": [{"kind": "allow"}],
                "canSync": True,
            },
            True,
            True,
            id="allowed",
        ),
        pytest.param(
            {"assignedWindows": [{"kind": "allow"}], "canSync": False}, False, False, id="not-yet"
        ),
        pytest.param(
            {"assignedWindows": [{"kind": "deny"}], "canSync": True}, True, True, id="no-longer"
        ),
        pytest.param({"activeWindows": None, "canSync": True}, True, True, id="null"),
    ],
)
def test_sync_windows_hold_automatic_promotions_and_people_apart(
    windows: dict[str, Any], automatic: bool, by_hand: bool
) -> None:
    assert (may_sync(windows, ""), may_sync(windows, "alice")) == (automatic, by_hand)


def test_through_argocd_a_sync_window_holds_the_step_until_it_opens(rest: Bench) -> None:
    rest.server.add()
    rest.server.windows = {"activeWindows": [{"kind": "deny", "manualSync": True}], "canSync": True}
    result = rest.update()
    assert (result.status, rest.server.begun) == (StepStatus.RUNNING, [])
    assert result.message.endswith("a sync window denies it now")
    rest.actor = "alice"
    rest.update()
    assert len(rest.server.begun) == 1


def test_an_answer_of_more_than_32_mib_is_an_error(cluster: Bench) -> None:
    cluster.server.add(status={"filler": "x" * 2**25})
    too_long = r"the server answered GET with what is not read: .* sent more than 33554432 bytes"
    with pytest.raises(RetryableStepError, match=too_long):
        cluster.update()


def test_a_refusal_is_told_without_a_text_that_is_too_long(cluster: Bench) -> None:
    cluster.server.add()
    cluster.server.refusing = (403, {"message": "x" * 2**25})
    with pytest.raises(RetryableStepError, match=r"the server answered PATCH with 403$"):
        cluster.update()


def test_an_answer_that_is_no_json_is_an_error(cluster: Bench) -> None:
    cluster.server.apps["argocd", "web"] = []  # type: ignore[assignment]
    with pytest.raises(RetryableStepError, match="the server answered GET with what is no JSON"):
        cluster.update()
