"""Built-in functions that apply a predicate to each element of a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from airfreight.errors import ExpressionError
from airfreight.expr.builtin import items
from airfreight.expr.collection_functions import hashable, ordered
from airfreight.expr.limits import Meter
from airfreight.expr.operators import add, truth
from airfreight.expr.values import AnyMap, Groups, Span, Value, is_number, type_name


@dataclass(frozen=True)
class Application:
    """One call: the list, the predicate (of element, index and accumulator), the third argument."""

    items: list[Value]
    apply: Callable[[Value, int, Value], Value] | None
    extra: Callable[[], Value] | None
    meter: Meter

    def results(self) -> list[Value]:
        """Return what the predicate gives for each element; the elements where there is none."""
        self.meter.container(len(self.items))
        if self.apply is None:
            return self.items
        return [self.apply(item, index, None) for index, item in enumerate(self.items)]

    def holds(self, index: int) -> bool:
        """Tell whether the predicate is true of the element at `index`."""
        item = self.items[index]
        return truth(item if self.apply is None else self.apply(item, index, None))

    def places(self) -> list[int]:
        """Return the indices of the elements of which the predicate is true."""
        return [index for index in range(len(self.items)) if self.holds(index)]

    def first(self, *, last: bool = False) -> int | None:
        """Return the index of the first (or last) such element."""
        order = reversed(range(len(self.items))) if last else range(len(self.items))
        return next((index for index in order if self.holds(index)), None)

    def element(self, index: int | None) -> Value:
        """Return the element at `index`, nil for none."""
        return None if index is None else self.items[index]


def elements(value: Value, meter: Meter) -> list[Value]:
    """Return what a predicate is applied to; a string that nothing declared counts as its bytes."""
    if isinstance(value, str):
        meter.text(len(value))
        value = value.encode("utf-8", "replace")
    if isinstance(value, bytes):
        meter.container(len(value))
        return list(value)
    return items(value)


def _filter(call: Application) -> list[Value]:
    call.meter.container(len(call.items))
    return [call.items[index] for index in call.places()]


def _sum(call: Application) -> Value:
    total: Value = None
    for value in call.results():
        total = _addend(value) if total is None else add(total, value, call.meter)
    return 0 if total is None else total


def _addend(value: Value) -> Value:
    if is_number(value) or isinstance(value, Span):
        return value
    raise ExpressionError(f"sum adds numbers and durations, not {type_name(value)}")


def _group_by(call: Application) -> AnyMap:
    groups = Groups()
    for item, key in zip(call.items, call.results(), strict=True):
        groups.setdefault(hashable(key), []).append(item)
    call.meter.container(len(groups) * 9)
    return groups


def _sort_by(call: Application) -> list[Value]:
    order = call.extra() if call.extra else "asc"
    return ordered(call.meter, call.items, call.results(), order)


def _reduce(call: Application) -> Value:
    start = 0
    if call.extra is not None:
        result = call.extra()
    elif call.items:
        result, start = call.items[0], 1
    else:
        raise ExpressionError("reduce of an empty array needs an initial value as third argument")
    for index in range(start, len(call.items)):
        result = call.apply(call.items[index], index, result) if call.apply else result
    return result


@dataclass(frozen=True)
class PredicateFunction:
    """`needed` arguments at least, `allowed` at most, the list among them."""

    call: Callable[[Application], Value]
    needed: int = 2
    allowed: int = 2


PREDICATES: Mapping[str, PredicateFunction] = {
    "all": PredicateFunction(lambda call: all(map(call.holds, range(len(call.items))))),
    "any": PredicateFunction(lambda call: any(map(call.holds, range(len(call.items))))),
    "none": PredicateFunction(lambda call: not any(map(call.holds, range(len(call.items))))),
    "one": PredicateFunction(lambda call: len(call.places()) == 1),
    "filter": PredicateFunction(_filter),
    "map": PredicateFunction(lambda call: call.results()),
    "find": PredicateFunction(lambda call: call.element(call.first())),
    "findIndex": PredicateFunction(lambda call: call.first()),
    "findLast": PredicateFunction(lambda call: call.element(call.first(last=True))),
    "findLastIndex": PredicateFunction(lambda call: call.first(last=True)),
    "count": PredicateFunction(lambda call: len(call.places()), needed=1),
    "sum": PredicateFunction(_sum, needed=1),
    "groupBy": PredicateFunction(_group_by),
    "sortBy": PredicateFunction(_sort_by, allowed=3),
    "reduce": PredicateFunction(_reduce, allowed=3),
}
