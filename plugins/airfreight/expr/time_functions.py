"""Built-in functions on dates and durations; their methods are `time_methods`'."""

from __future__ import annotations

import time
from datetime import UTC, tzinfo

from airfreight.errors import ExpressionError
from airfreight.expr.builtin import Builtin, text
from airfreight.expr.gotime import LAYOUTS, load_zone, parse_span, parse_time
from airfreight.expr.limits import Meter
from airfreight.expr.values import Moment, Value, Zone, type_name


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
