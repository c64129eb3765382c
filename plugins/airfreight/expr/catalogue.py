"""All built-in functions of expr-lang 1.17 by name; those with predicates are in `predicates`."""

from __future__ import annotations

from collections.abc import Mapping

from airfreight.expr.builtin import Builtin
from airfreight.expr.collection_functions import COLLECTION_FUNCTIONS
from airfreight.expr.number_functions import NUMBER_FUNCTIONS
from airfreight.expr.text_functions import TEXT_FUNCTIONS
from airfreight.expr.time_functions import TIME_FUNCTIONS

BUILTINS: Mapping[str, Builtin] = {
    function.name: function
    for function in (
        *TEXT_FUNCTIONS,
        *NUMBER_FUNCTIONS,
        *COLLECTION_FUNCTIONS,
        *TIME_FUNCTIONS,
    )
}
