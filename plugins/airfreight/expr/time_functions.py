"""Built-in functions on dates and durations, and the methods that these have."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from airfreight.errors import ExpressionError
from airfreight.expr.builtin import Builtin, integer, text
from airfreight.expr.gotime import (
    DAYS,
    LAYOUTS,
    MONTHS,
    SECOND,
    format_span,
    format_time,
    from_datetime,
    load_zone,
    parse_span,
    parse_time,
    to_datetime,
)
from airfreight.expr.limits import Meter
from airfreight.expr.values import Moment, Named, Span, Value, Zone, type_name


def _now(_: Meter, zone: Value = None) -> Moment:
    if zone is not None and not isinstance(zone, Zone):
        raise ExpressionError(f"now takes a timezone(…), not {type_name(zone)}")
    return Moment(time.time_ns(), zone.info if zone else UTC)


def _date(_: Meter, *arguments: Value) -> Moment:
    zone: tzinfo = UTC
    if isinstance(arguments[0], Zone):
        zone, arguments = arguments[0].info, arguments[1:]
    if not 1 <= len(arguments) <= 3:
        raise ExpressionError("date takes a text, then a layout and a time zone at will")
    texts = [text(argument) for argument in arguments]
    if len(texts) == 3:
        zone = load_zone(texts[2]).info
    if len(texts) > 1:
        return parse_time(texts[1], texts[0], zone)
    for layout in LAYOUTS:
        try:
            return parse_time(layout, texts[0], zone)
        except ExpressionError:
            continue
    raise ExpressionError(
        f'"{texts[0][:60]}" is no date; write one as 2026-03-04, or give a layout'
    )


TIME_FUNCTIONS = (
    Builtin("now", _now, 0, 1),
    Builtin("date", _date, 1, 4),
    Builtin("duration", lambda _, value: parse_span(text(value)), 1, 1),
    Builtin("timezone", lambda _, value: load_zone(text(value)), 1, 1),
)


def _moment(value: Value) -> Moment:
    if isinstance(value, Moment):
        return value
    raise ExpressionError(f"a date is expected, not {type_name(value)}")


def _span(value: Value) -> Span:
    if isinstance(value, Span):
        return value
    raise ExpressionError(f"a duration is expected, not {type_name(value)}")


def _zone(value: Value) -> Zone:
    if isinstance(value, Zone):
        return value
    raise ExpressionError(f"a timezone(…) is expected, not {type_name(value)}")


def _add_date(moment: Moment, years: Value, months: Value, days: Value) -> Moment:
    when = to_datetime(moment).replace(microsecond=0)
    month = when.month - 1 + integer(months)
    try:
        # A day that the month lacks runs over into the next one, as in Go.
        first = when.replace(
            year=when.year + integer(years) + month // 12, month=month % 12 + 1, day=1
        )
        moved = first + timedelta(days=when.day - 1 + integer(days))
    except (ValueError, OverflowError):
        raise ExpressionError("the time lies beyond the years 1 to 9999") from None
    return from_datetime(moved, moment.nanoseconds % SECOND)


def _part(read: Callable[[datetime], Any]) -> Callable[[Moment], Any]:
    return lambda moment: read(to_datetime(moment))


def _weekday(when: datetime) -> Named:
    return Named("time.Weekday", when.isoweekday() % 7, DAYS[when.weekday()])


_MOMENT_METHODS: Mapping[str, Callable[..., Value]] = {
    "Year": _part(lambda when: when.year),
    "Month": _part(lambda when: Named("time.Month", when.month, MONTHS[when.month - 1])),
    "Day": _part(lambda when: when.day),
    "Hour": _part(lambda when: when.hour),
    "Minute": _part(lambda when: when.minute),
    "Second": _part(lambda when: when.second),
    "Nanosecond": lambda moment: moment.nanoseconds % SECOND,
    "Weekday": _part(_weekday),
    "YearDay": _part(lambda when: when.timetuple().tm_yday),
    "Unix": lambda moment: moment.nanoseconds // SECOND,
    "UnixMilli": lambda moment: moment.nanoseconds // 1_000_000,
    "UnixNano": lambda moment: moment.nanoseconds,
    "UTC": lambda moment: Moment(moment.nanoseconds, UTC),
    "In": lambda moment, zone: Moment(moment.nanoseconds, _zone(zone).info),
    "Add": lambda moment, by: Moment(moment.nanoseconds + _span(by).nanoseconds, moment.zone),
    "Sub": lambda moment, other: Span(moment.nanoseconds - _moment(other).nanoseconds),
    "AddDate": _add_date,
    "After": lambda moment, other: moment.nanoseconds > _moment(other).nanoseconds,
    "Before": lambda moment, other: moment.nanoseconds < _moment(other).nanoseconds,
    "Equal": lambda moment, other: moment.nanoseconds == _moment(other).nanoseconds,
    "Format": lambda moment, layout: format_time(moment, text(layout)),
    "String": lambda moment: format_time(moment, "2006-01-02 15:04:05.999999999 -0700 MST"),
}
_SPAN_METHODS: Mapping[str, Callable[..., Value]] = {
    "Hours": lambda span: span.nanoseconds / (3600 * SECOND),
    "Minutes": lambda span: span.nanoseconds / (60 * SECOND),
    "Seconds": lambda span: span.nanoseconds / SECOND,
    "Milliseconds": lambda span: int(span.nanoseconds / 1_000_000),
    "Nanoseconds": lambda span: span.nanoseconds,
    "Abs": lambda span: Span(abs(span.nanoseconds)),
    "String": format_span,
}
METHODS: Mapping[type, Mapping[str, Callable[..., Value]]] = {
    Moment: _MOMENT_METHODS,
    Span: _SPAN_METHODS,
    Named: {"String": lambda named: named.text},
    Zone: {"String": lambda zone: zone.name},
}
"""Methods by the class of the value; each takes the value, then the arguments."""
