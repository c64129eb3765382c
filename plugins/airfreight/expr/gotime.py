"""Go's time layouts and durations, as far as expr-lang's dates need them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from airfreight.errors import ExpressionError
from airfreight.expr.values import Moment, Span, Zone

SECOND = 1_000_000_000
_UNITS = {
    "ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000,
    "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND,
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CYCLE = 146_097
_LONGEST = 1_000
_FIRST = -62_135_510_400 * SECOND
_MONTHS = "January February March April May June July August September October November December"
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
MONTHS, DAYS = _MONTHS.split(), _DAYS.split()
# Longest first: "2006" must not be read as "2" and "006".
_FIELD = re.compile(
    r"January|Monday|Z07:00|-07:00|-0700|2006|Jan|Mon|MST|[.,]9+|[.,]0+(?!\d)"
    r"|01|02|03|04|05|06|15|PM|pm|_2|1|2|3|4|5"
)
_PATTERNS = {
    "2006": r"(?P<year>\d{4})", "06": r"(?P<short>\d\d)", "01": r"(?P<month>\d\d)",
    "1": r"(?P<month>\d\d?)", "02": r"(?P<day>\d\d)", "2": r"(?P<day>\d\d?)",
    "_2": r" ?(?P<day>\d\d?)", "15": r"(?P<hour>\d\d?)", "03": r"(?P<half>\d\d)",
    "3": r"(?P<half>\d\d?)", "04": r"(?P<minute>\d\d)", "4": r"(?P<minute>\d\d?)",
    "05": r"(?P<second>\d\d)(?P<fraction>[.,]\d+)?",
    "5": r"(?P<second>\d\d?)(?P<fraction>[.,]\d+)?",
    "PM": r"(?P<noon>[AP]M)", "pm": r"(?P<noon>[ap]m)", "January": f"(?P<named>{'|'.join(MONTHS)})",
    "Jan": f"(?P<named>{'|'.join(m[:3] for m in MONTHS)})",
    "Monday": f"(?:{'|'.join(DAYS)})", "Mon": f"(?:{'|'.join(d[:3] for d in DAYS)})",
    "MST": r"(?P<zone>[A-Z]{3,4})", "-0700": r"(?P<offset>[+-]\d{4})",
    "-07:00": r"(?P<offset>[+-]\d\d:\d\d)", "Z07:00": r"(?P<offset>Z|[+-]\d\d:\d\d)",
}  # fmt: skip
LAYOUTS = (
    "2006-01-02", "15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST", "Monday, 02-Jan-06 15:04:05 MST", "Mon, 02 Jan 2006 15:04:05 MST",
)  # fmt: skip


def _check_length(text: str, what: str) -> None:
    """Refuse what only an attack writes: patterns take time and memory for each character."""
    if len(text) > _LONGEST:
        raise ExpressionError(f"a {what} may have {_LONGEST} characters, not {len(text)}")


def load_zone(name: str) -> Zone:
    """Return the zone of an IANA name."""
    try:
        return Zone(name, UTC if name in ("", "UTC") else ZoneInfo(name))
    except (ValueError, OSError, LookupError):
        raise ExpressionError(f'"{name[:60]}" is no time zone; write one as Europe/Paris') from None


def civil(moment: Moment) -> tuple[datetime, int]:
    """Return the moment in its zone, and its year; raises beyond the years 0 to 9999.

    Python has no year 0, which Go gives a time without a date: it is shown by the year 400, whose
    calendar is the same.
    """
    cycle = _CYCLE if moment.nanoseconds < _FIRST else 0
    try:
        whole = _EPOCH + timedelta(days=cycle, seconds=moment.nanoseconds // SECOND)
        when = whole.astimezone(moment.zone)
    except (OverflowError, ValueError):
        raise ExpressionError("the time lies beyond the years 0 to 9999") from None
    return when, when.year - (400 if cycle else 0)


def from_datetime(when: datetime, fraction: int = 0) -> Moment:
    """Return the moment of an aware `when` (whole seconds) and a fraction in nanoseconds."""
    passed = when - _EPOCH
    return Moment((passed.days * 86_400 + passed.seconds) * SECOND + fraction, when.tzinfo or UTC)


def parse_time(layout: str, text: str, zone: tzinfo) -> Moment:
    """Read `text` by a Go layout; where it names no offset it is in `zone`."""
    _check_length(layout, "layout")
    _check_length(text, "date")
    try:
        match = re.fullmatch(_layout_pattern(layout), text)
    except re.error:
        raise ExpressionError(f'the layout "{layout[:60]}" names a field twice') from None
    if match is None:
        raise ExpressionError(f'the date "{text[:60]}" does not have the form "{layout[:60]}"')
    try:
        return _moment(match.groupdict(), zone)
    except (ValueError, OverflowError):
        raise ExpressionError(f'the date "{text[:60]}" does not exist') from None


def _layout_pattern(layout: str) -> str:
    pieces, position = [], 0
    for field in _FIELD.finditer(layout):
        pieces.append(re.escape(layout[position : field.start()]))
        pieces.append(_PATTERNS.get(field[0], ""))
        position = field.end()
    return "".join((*pieces, re.escape(layout[position:])))


def _moment(found: Mapping[str, str | None], zone: tzinfo) -> Moment:
    year = int(found.get("year") or 0) or _century(found.get("short"))
    cycle = timedelta(days=0 if year else _CYCLE)
    named = found.get("named")
    month = [m[:3] for m in MONTHS].index(named[:3]) + 1 if named else int(found.get("month") or 1)
    hour = int(found.get("hour") or found.get("half") or 0)
    if noon := found.get("noon"):
        hour = hour % 12 + (12 if noon in ("PM", "pm") else 0)
    when = datetime(
        year or 400, month, int(found.get("day") or 1), hour,
        int(found.get("minute") or 0), int(found.get("second") or 0),
        tzinfo=_offset(found.get("offset")) or zone,
    )  # fmt: skip
    fraction = (found.get("fraction") or ".0")[1:10].ljust(9, "0")
    moment = from_datetime(when, int(fraction))
    return Moment(moment.nanoseconds - cycle // timedelta(seconds=1) * SECOND, moment.zone)


def _century(short: str | None) -> int:
    if short is None:
        return 0
    return int(short) + (1900 if int(short) >= 69 else 2000)


def _offset(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text == "Z" or set(text) <= set("+-0:"):
        return UTC
    digits = text[1:].replace(":", "")
    distance = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-distance if text[0] == "-" else distance)


def format_time(moment: Moment, layout: str) -> str:
    """Write the moment by a Go layout."""
    _check_length(layout, "layout")
    when, year = civil(moment)
    nanoseconds = f"{moment.nanoseconds % SECOND:09d}"

    def field(match: re.Match[str]) -> str:
        name = match[0]
        if name[0] in ".,":
            digits = nanoseconds[: len(name) - 1]
            digits = digits.rstrip("0") if name[1] == "9" else digits
            return name[0] + digits if digits else ""
        return _written(when, year, name)

    return _FIELD.sub(field, layout)


def _written(when: datetime, year: int, name: str) -> str:
    half = when.hour % 12 or 12
    offset = when.strftime("%z")[:5] or "+0000"
    coloned = f"{offset[:3]}:{offset[3:]}"
    fields = {
        "2006": f"{year:04d}", "06": f"{year % 100:02d}", "01": f"{when.month:02d}",
        "1": str(when.month), "02": f"{when.day:02d}", "2": str(when.day), "_2": f"{when.day:2d}",
        "15": f"{when.hour:02d}", "03": f"{half:02d}", "3": str(half),
        "04": f"{when.minute:02d}", "4": str(when.minute), "05": f"{when.second:02d}",
        "5": str(when.second), "PM": "PM" if when.hour >= 12 else "AM", "pm": "pm" if when.hour >= 12 else "am",
        "January": MONTHS[when.month - 1], "Jan": MONTHS[when.month - 1][:3],
        "Monday": DAYS[when.weekday()], "Mon": DAYS[when.weekday()][:3],
        "MST": when.tzname() or "UTC", "-0700": offset, "-07:00": coloned,
        "Z07:00": "Z" if coloned == "+00:00" else coloned,
    }  # fmt: skip
    return fields[name]


def parse_span(text: str) -> Span:
    """Read a duration such as ``1h30m``; ns, us, ms, s, m and h are its units."""
    _check_length(text, "duration")
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if body == "0":
        return Span(0)
    unit = r"(\d{1,18}(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
    if not re.fullmatch(f"(?:{unit})+", body):
        raise ExpressionError(f'"{text[:60]}" is no duration; write one as 1h30m')
    total = sum(_amount(number, name) for number, name in re.findall(unit, body))
    if total >= 2**63:
        raise ExpressionError(f'the duration "{text[:60]}" is longer than 292 years')
    return Span(sign * total)


def _amount(number: str, unit: str) -> int:
    whole, _, fraction = number.partition(".")
    part: int = int(fraction[:18] or 0) * _UNITS[unit] // 10 ** len(fraction[:18])
    return int(whole or 0) * _UNITS[unit] + part


def format_span(span: Span) -> str:
    """Write a duration as Go does: ``1h30m0s``, ``1.5ms``."""
    size, sign = abs(span.nanoseconds), "-" if span.nanoseconds < 0 else ""
    if size < SECOND:
        unit = next(u for u in ("ms", "µs", "ns") if size >= _UNITS[u] or u == "ns")
        return f"{sign}{_decimal(size, _UNITS[unit])}{unit}" if size else "0s"
    minutes, rest = divmod(size, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    shown = f"{hours}h{minutes}m" if hours else (f"{minutes}m" if minutes else "")
    return f"{sign}{shown}{_decimal(rest, SECOND)}s"


def _decimal(amount: int, unit: int) -> str:
    whole, rest = divmod(amount, unit)
    digits = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)
