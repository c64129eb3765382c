"""When a server wants to be asked again."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Seconds: whoever waits has a shorter bound of its own; this one is for a number without end.
_LONGEST = 86400.0


def retry_seconds(header: str, now: datetime) -> float | None:
    """Read ``Retry-After``: seconds, or a date, which is never in the past; None where it is neither."""
    if header.isascii() and header.isdecimal():
        return min(float(header), _LONGEST)
    try:
        moment = parsedate_to_datetime(header).astimezone(UTC)
    except (ValueError, OverflowError):  # some moments of the year 9999 are none in UTC
        return None
    return min(max(0.0, (moment - now).total_seconds()), _LONGEST)
