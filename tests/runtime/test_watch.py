from __future__ import annotations

import pytest

from airfreight.runtime.watch import REPEAT_AFTER, Watch

FIRED = Watch("1.1.0", 100.0)

LOOKS = {
    "news": (Watch(), "1.1.0", "1.0.0", 5.0, True),
    "news, and nothing was ever handled": (Watch(), "1.1.0", None, 5.0, True),
    "nothing is there": (Watch(), "", "1.0.0", 5.0, False),
    "handled, after a restart": (Watch(), "1.1.0", "1.1.0", 5.0, False),
    "fired for a moment ago": (FIRED, "1.1.0", "1.0.0", 101.0, False),
    "fired for, and never handled": (FIRED, "1.1.0", "1.0.0", 100.0 + REPEAT_AFTER, True),
    "more news at once": (FIRED, "1.2.0", "1.0.0", 101.0, True),
    "back to what was before": (FIRED, "1.0.0", "1.1.0", 101.0, True),
}


@pytest.mark.parametrize(("watch", "seen", "handled", "now", "expected"), LOOKS.values(), ids=LOOKS)
def test_a_watcher_fires_for_what_was_not_handled(watch, seen, handled, now, expected):
    assert watch.should_fire(seen, handled, now) is expected
