"""The methods of dates, durations, time zones, weekdays and months."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airfreight.errors import ExpressionError
from airfreight.expr.builtin import text
from airfreight.expr.functions import Function
from airfreight.expr.gotime import (
    DAYS,
    MONTHS,
    SECOND,
    civil,
    format_span,
    format_time,
    from_datetime,
)
from airfreight.expr.shapes import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    INTEGER,
    MONTH,
    STRING,
    TEXT,
    TIME,
    WEEKDAY,
    ZONE,
    Shape,
    kinds,
)
from airfreight.expr.values import Moment, Named, Span, Value, Zone, is_integer, type_name

_ZERO = -62_135_596_800 * SECOND
"""Go's zero time, the start of the year 1."""


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


def _int(value: Value) -> int:
    if is_integer(value):
        return int(value)
    raise ExpressionError(f"an int is expected, not {type_name(value)}; write int(…)")


def _add_date(moment: Moment, years: Value, months: Value, days: Value) -> Moment:
    when = civil(moment)[0].replace(microsecond=0)
    month = when.month - 1 + _int(months)
    try:
        # A day that the month lacks runs over into the next one, as in Go.
        first = when.replace(
            year=when.year + _int(years) + month // 12, month=month % 12 + 1, day=1
        )
        moved = first + timedelta(days=when.day - 1 + _int(days))
    except (ValueError, OverflowError):
        raise ExpressionError("the time lies beyond the years 1 to 9999") from None
    return from_datetime(moved, moment.nanoseconds % SECOND)


def _part(read: Callable[[datetime], Any]) -> Callable[[Moment], Any]:
    return lambda moment: read(civil(moment)[0])


def _weekday(when: datetime) -> Named:
    return Named("time.Weekday", when.isoweekday() % 7, DAYS[when.weekday()])


def _month(when: datetime) -> Named:
    return Named("time.Month", when.month, MONTHS[when.month - 1])


def _zone_of(moment: Moment) -> Zone:
    return Zone(str(moment.zone) if moment.zone is not UTC else "UTC", moment.zone)


def _truncated(moment: Moment, by: Value) -> Moment:
    unit = _span(by).nanoseconds
    if unit <= 0:
        return moment
    return Moment(moment.nanoseconds - (moment.nanoseconds - _ZERO) % unit, moment.zone)


def _rounded(moment: Moment, to: Value) -> Moment:
    unit = _span(to).nanoseconds
    if unit <= 0:
        return moment
    rest = (moment.nanoseconds - _ZERO) % unit
    up = unit - rest if rest * 2 >= unit else -rest
    return Moment(moment.nanoseconds + up, moment.zone)


def _span_truncated(span: Span, by: Value) -> Span:
    unit = _span(by).nanoseconds
    return Span(span.nanoseconds - int(math.fmod(span.nanoseconds, unit))) if unit > 0 else span


def _span_rounded(span: Span, to: Value) -> Span:
    unit = _span(to).nanoseconds
    if unit <= 0:
        return span
    size, sign = abs(span.nanoseconds), -1 if span.nanoseconds < 0 else 1
    return Span(sign * ((size + unit // 2) // unit * unit if unit > 1 else size))


def _order(moment: Moment, other: Value) -> int:
    left, right = moment.nanoseconds, _moment(other).nanoseconds
    return (left > right) - (left < right)


def _moved(moment: Moment, by: Value) -> Moment:
    return Moment(moment.nanoseconds + _span(by).nanoseconds, moment.zone)


_IN_TIME, _IN_SPAN, _IN_ZONE = kinds("time"), kinds("duration"), kinds("zone", "nil")
_LONG = "2006-01-02 15:04:05.999999999 -0700 MST"
_Row = tuple[Callable[..., Value], tuple[frozenset[str], ...], Shape]


def _methods(rows: Mapping[str, _Row]) -> dict[str, Function]:
    return {
        name: Function(name, call, len(parameters), len(parameters), parameters, result)
        for name, (call, parameters, result) in rows.items()
    }


_MOMENT: dict[str, _Row] = {
    "Year": (lambda moment: civil(moment)[1], (), INT),
    "Month": (_part(_month), (), MONTH),
    "Day": (_part(lambda when: when.day), (), INT),
    "Hour": (_part(lambda when: when.hour), (), INT),
    "Minute": (_part(lambda when: when.minute), (), INT),
    "Second": (_part(lambda when: when.second), (), INT),
    "Nanosecond": (lambda moment: moment.nanoseconds % SECOND, (), INT),
    "Weekday": (_part(_weekday), (), WEEKDAY),
    "YearDay": (_part(lambda when: when.timetuple().tm_yday), (), INT),
    "ISOWeek": (_part(lambda when: when.isocalendar().year), (), INT),
    "Unix": (lambda moment: moment.nanoseconds // SECOND, (), INT),
    "UnixMilli": (lambda moment: moment.nanoseconds // 1_000_000, (), INT),
    "UnixMicro": (lambda moment: moment.nanoseconds // 1_000, (), INT),
    "UnixNano": (lambda moment: moment.nanoseconds, (), INT),
    "UTC": (lambda moment: Moment(moment.nanoseconds, UTC), (), TIME),
    "Local": (lambda moment: Moment(moment.nanoseconds, UTC), (), TIME),
    "In": (lambda moment, zone: Moment(moment.nanoseconds, _zone(zone).info), (_IN_ZONE,), TIME),
    "Location": (_zone_of, (), ZONE),
    "Zone": (_part(lambda when: when.tzname()), (), STRING),
    "IsDST": (_part(lambda when: bool(when.dst())), (), BOOL),
    "IsZero": (lambda moment: moment.nanoseconds == _ZERO, (), BOOL),
    "Add": (_moved, (_IN_SPAN,), TIME),
    "Sub": (
        lambda moment, other: Span(moment.nanoseconds - _moment(other).nanoseconds),
        (_IN_TIME,),
        DURATION,
    ),
    "AddDate": (_add_date, (INTEGER, INTEGER, INTEGER), TIME),
    "Truncate": (_truncated, (_IN_SPAN,), TIME),
    "Round": (_rounded, (_IN_SPAN,), TIME),
    "After": (lambda moment, other: _order(moment, other) > 0, (_IN_TIME,), BOOL),
    "Before": (lambda moment, other: _order(moment, other) < 0, (_IN_TIME,), BOOL),
    "Equal": (lambda moment, other: _order(moment, other) == 0, (_IN_TIME,), BOOL),
    "Compare": (_order, (_IN_TIME,), INT),
    "Format": (lambda moment, layout: format_time(moment, text(layout)), (TEXT,), STRING),
    "String": (lambda moment: format_time(moment, _LONG), (), STRING),
}
_SPAN: dict[str, _Row] = {
    "Hours": (lambda span: span.nanoseconds / (3600 * SECOND), (), FLOAT),
    "Minutes": (lambda span: span.nanoseconds / (60 * SECOND), (), FLOAT),
    "Seconds": (lambda span: span.nanoseconds / SECOND, (), FLOAT),
    "Milliseconds": (lambda span: int(span.nanoseconds / 1_000_000), (), INT),
    "Microseconds": (lambda span: int(span.nanoseconds / 1_000), (), INT),
    "Nanoseconds": (lambda span: span.nanoseconds, (), INT),
    "Abs": (lambda span: Span(abs(span.nanoseconds)), (), DURATION),
    "Truncate": (_span_truncated, (_IN_SPAN,), DURATION),
    "Round": (_span_rounded, (_IN_SPAN,), DURATION),
    "String": (format_span, (), STRING),
}
_NAMED: dict[str, _Row] = {"String": (lambda named: named.text, (), STRING)}
_ZONE: dict[str, _Row] = {"String": (lambda zone: zone.name, (), STRING)}

METHODS: Mapping[type, Mapping[str, Function]] = {
    Moment: _methods(_MOMENT),
    Span: _methods(_SPAN),
    Named: _methods(_NAMED),
    Zone: _methods(_ZONE),
}
"""Methods by the class of the value; each takes the value, then the arguments."""

METHODS_BY_SHAPE: Mapping[str, Mapping[str, Function]] = {
    TIME.name: METHODS[Moment],
    DURATION.name: METHODS[Span],
    MONTH.name: METHODS[Named],
    WEEKDAY.name: METHODS[Named],
    ZONE.name: METHODS[Zone],
}
"""The same by the name of the value's shape."""
