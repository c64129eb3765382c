from __future__ import annotations

import pytest

from airfreight.runtime.watch import COMPARE_AFTER, REPEAT_AFTER, Watch

FIRED = Watch(compared="1.1.0", at=100.0)
HANDLED = Watch(compared="1.1.0", at=100.0, was_handled=True)

SLOW = Watch(interval=2 * REPEAT_AFTER, compared="1.1.0", at=100.0)

LOOKS = {
    "the first look": (Watch(), "1.1.0", 5.0, True),
    "nothing is there": (Watch(), "", 5.0, False),
    "fired for a moment ago": (FIRED, "1.1.0", 101.0, False),
    "fired for, and perhaps never handled": (FIRED, "1.1.0", 100.0 + REPEAT_AFTER, True),
    "fired for less than an interval ago": (SLOW, "1.1.0", 100.0 + REPEAT_AFTER, False),
    "fired for an interval ago": (SLOW, "1.1.0", 100.0 + 2 * REPEAT_AFTER, True),
    "handled": (HANDLED, "1.1.0", 100.0 + REPEAT_AFTER, False),
    "handled long ago": (HANDLED, "1.1.0", 100.0 + COMPARE_AFTER, True),
    "news after what was fired for": (FIRED, "1.2.0", 101.0, True),
    "news after what was handled": (HANDLED, "1.2.0", 101.0, True),
    "back to what was before": (HANDLED, "1.0.0", 101.0, True),
    "all tags are gone": (FIRED, "", 100.0 + REPEAT_AFTER, False),
}


@pytest.mark.parametrize(("watch", "seen", "now", "expected"), LOOKS.values(), ids=LOOKS)
def test_a_watcher_compares_what_changed_and_the_rest_once_in_a_while(watch, seen, now, expected):
    assert watch.is_due(seen, now) is expected


def test_a_watch_remembers_what_it_compared_and_whether_it_is_done_with():
    watch = Watch(interval=5.0).compared_with("1.1.0", 100.0, handled=True)
    assert watch == Watch(interval=5.0, compared="1.1.0", at=100.0, was_handled=True)
