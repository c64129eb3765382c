"""Expressions that attack, and a process that judges each of them: `python -m tests.expr.hostile`.

Each runs in a fork that may take 100 MB and five seconds. A line of JSON comes out for each: its name, how it
ended, and the seconds of processor time that it took.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

from airfreight.errors import ExpressionError
from airfreight.expr.program import compile_expression
from airfreight.expr.templates import evaluate_config
from airfreight.runtime.functions import Scope, functions

MEMORY = 100_000_000
FUNCTIONS = functions(Scope(), "step")
_LISTS = "".join(f"let v{n + 1} = [v{n}, v{n}, v{n}, v{n}];" for n in range(20))
DOUBLED = f"let v0 = [1, 1, 1, 1];{_LISTS}"
# `u` is nil; what stands behind it has no type before the run.
LONG = "let x = u ?? repeat('a', 1000000);"
WIDE = "let x = u ?? repeat('яж', 1000000);"


def _array(prelude: str, item: str, count: int) -> str:
    return f"{prelude}[{f'{item},' * count}1]"


def _folded(step: str, start: str, count: int = 80) -> str:
    return f"reduce(1..{count}, {step}, {start})"


EXPRESSIONS = {
    "power": "10 ** 10 ** 10",
    "range": "1..10000000",
    "range without end": "-9223372036854775807..9223372036854775807",
    "range of floats": "u ?? 1.0..(u ?? 1e18)",
    "repeat": "repeat('x', 1000000000)",
    "repeat of repeat": "repeat(repeat(repeat('x', 10000), 10000), 10000)",
    "replace growth": "replace(repeat('a', 100000), 'a', repeat('b', 100000))",
    "join growth": "join(map(1..1000, repeat('x', 9000)), repeat('y', 90000))",
    "join of one text many times": f"{LONG} join(map(1..1000, x))",
    "sum of texts": _folded("#acc + #acc", "'a'"),
    "join fold": _folded("join([#acc, #acc])", "'a'"),
    "replace fold": _folded("replace(#acc, 'a', 'aa')", "'a'"),
    "split and join fold": _folded("join(split(#acc, ''), 'aa')", "'aa'"),
    "concat fold": _folded("concat(#acc, #acc)", "[1]"),
    "JSON fold": _folded("toJSON(#acc)", "'\\\\'"),
    "base64 fold": _folded("toBase64(#acc)", "'aaaa'"),
    "indentation": "toJSON(reduce(1..200, [#acc], 1..40000))",
    "escapes of JSON": "let x = repeat('<\\x01', 1000000); map(1..100, toJSON(x))",
    "trimmed copies": f"{LONG} let y = ' ' + x; map(1..1000, trim(y))",
    "copies without prefix": f"{LONG} let y = ' ' + x; map(1..1000, trimPrefix(y))",
    "characters of a text": f"{WIDE} map(x, #)",
    "counted characters": f"{WIDE} count(x, # > 300)",
    "split to characters": f"{WIDE} split(x, '')",
    "sliced often": _array(WIDE, "x[1:2]", 2000),
    "indexed often": _array(WIDE, "x[1]", 3000),
    "searched often": _array(LONG, "x contains 'ab'", 900),
    "matched often": _array(LONG, "x matches 'a+b'", 900),
    "compared often": f"{LONG} let y = x + 'a'; let z = x + 'a'; count(1..100000, y == z)",
    "nested maps": "map(1..1000, map(1..1000, map(1..1000, #)))",
    "nested counts": "count(1..1000, count(1..1000, # > 1) > 1)",
    "doubling then text": f"{DOUBLED} string(v20)",
    "doubling then JSON": f"{DOUBLED} toJSON(v20)",
    "doubling then flatten": f"{DOUBLED} flatten(v20)",
    "doubling then equality": f"{DOUBLED} v20 == v20",
    "quadratic uniq": "uniq(1..100000)",
    "quadratic in": "all(1..100000, # in 1..100000)",
    "states of a pattern": "repeat('ab', 500000) matches '(a|b)*a(a|b){900}c'",
    "optional parts of a pattern": "repeat('ab', 500000) matches '(.?){900}c'",
    "nested repetition in a pattern": "'x' matches '((a{1000}){1000}){1000}'",
    "long pattern": "'x' matches repeat('a|', 1000000)",
    "many patterns": "count(1..80000, 'x' matches '(.?){900}' + string(#))",
    "brackets": "[" * 5000 + "]" * 5000,
    "negated parentheses": "-(" * 5000 + "1" + ")" * 5000,
    "negations": "!" * 16000 + "true",
    "minus signs": "- " * 8000 + "1",
    "members": "a" + ".b" * 8000,
    "optional members": "a" + "?.b" * 5000,
    "indices": "a" + "[0]" * 5000,
    "pipes": "1" + "|len()" * 2700,
    "long sum": "1" + "+1" * 8000,
    "long or": "true" + "||true" * 2700,
    "long default": "a" + "??a" * 5000,
    "long power": "2" + "**2" * 5000,
    "sequence": "1;" * 8000 + "1",
    "variables": "".join(f"let a{n}=1;" for n in range(1200)) + "1",
    "conditionals": "true ? 1 : " * 1000 + "2",
    "repeated conditions": "(" * 30 + "u" + "?:2)" * 30,
    "deep JSON": "fromJSON(repeat('[', 100000))",
    "nested JSON as text": "string(fromJSON(repeat('[', 900) + repeat(']', 900)))",
    "JSON of a deep list": "toJSON(reduce(1..50000, [#acc], 1))",
    "flattened deep list": "flatten(reduce(1..50000, [#acc], 1))",
    "greatest of a deep list": "max(reduce(1..50000, [#acc], 1))",
    "many objects of JSON": "fromJSON('[' + repeat('{},', 300000) + '1]')",
    "JSON read often": "let x = '[' + repeat('[1],', 20000) + '1]'; map(1..1000, fromJSON(x))",
    "number of JSON": "fromJSON(repeat('1', 1000000))",
    "exponent of JSON": "fromJSON('1e' + repeat('9', 100000))",
    "long source": "1" * 100_000,
    "long number": "1" * 16_000,
    "long hexadecimal number": "0x" + "f" * 16_000,
    "large exponent": "1e" + "9" * 16_000,
    "text as int": "int(repeat('1', 1000000))",
    "text as float": "float(repeat('1', 1000000))",
    "long duration": "duration(repeat('1s', 1000000))",
    "long layout to read": "date('x', repeat('a', 1000000))",
    "long layout to write": "now().Format(repeat('2006', 1000000))",
    "layouts written often": f"map(1..80000, now().Format('{'Monday' * 160}'))",
    "date beyond all years": "(date('9999-12-31') + duration('2562047h')).Year()",
    "days beyond all years": "now().AddDate(0, 9223372036854775807, 9223372036854775807)",
    "time zone that is a path": "timezone('../../etc/passwd')",
    "many versions": "map(1..80000, semverParse('1.2.' + string(#)))",
    "long version": "semverParse('1.2.3-' + repeat('a.', 400000) + 'a')",
}
TEMPLATES = {
    "many expressions with long texts": "${{ repeat('a', 1000000) == '' }}" * 900,
    "many expressions with loops": "${{ count(1..60000, true) }}" * 900,
    "JSON made by a template": "${{ '[' + repeat('{},', 1000000) }}{}]",
    "parts shared by a result": f"${{{{ {DOUBLED} v20 }}}}",
    "quoted copies": f"${{{{ {LONG} map(1..1000, quote(x)) }}}}",
    "quoted copies as they are": f"${{{{ {LONG} map(1..1000, unsafeQuote(x)) }}}}",
    "quotes of quotes": f"${{{{ {_folded('quote(#acc)', repr('a'))} }}}}",
    "long text as YAML": f"${{{{ {LONG} asYAML(x) }}}}",
    "long list as YAML": "${{ asYAML(1..100000) }}",
    "parts as JSON": f"${{{{ {DOUBLED} asJSON(v20) }}}}",
    "never closed": "${{ 1 }}" * 1000 + "${{",
}


def run_expression(source: str) -> None:
    compile_expression(source, FUNCTIONS).run({"u": None, "a": None})


def run_template(text: str) -> None:
    evaluate_config({"field": text}, {"u": None}, FUNCTIONS)


def _outcome(run: Callable[[str], None], source: str) -> str:
    try:
        run(source)
    except ExpressionError:
        return "refused"
    except BaseException as error:
        return type(error).__name__
    return "done"


def _judged(name: str, run: Callable[[str], None], source: str) -> None:
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if status:
            print(json.dumps({"name": name, "outcome": "killed", "seconds": 0}), flush=True)
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
    started = time.process_time()
    outcome = _outcome(run, source)
    seconds = time.process_time() - started
    print(json.dumps({"name": name, "outcome": outcome, "seconds": seconds}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    run_template("${{ asYAML(semverParse('1.2.3')) }}")
    for name, source in EXPRESSIONS.items():
        _judged(name, run_expression, source)
    for name, source in TEMPLATES.items():
        _judged(name, run_template, source)
