"""Routes of one address compiled once for all applications of a process.

Each test of the web builds an application of its own, and werkzeug compiles a function for each of
its two hundred routes anew: 0.15 s a test. The function depends on the rule alone (it takes the
converters from the rule that it is bound to), so the applications may share it.
"""

from collections.abc import Callable

from werkzeug.routing import Rule

_Builder = Callable[..., tuple[str, str]]

_compile = Rule._compile_builder
_compiled: dict[tuple[object, ...], _Builder] = {}


def share() -> None:
    """Compile each route once from now on."""
    Rule._compile_builder = _compile_once  # type: ignore[method-assign,assignment]


def _compile_once(rule: Rule, append_unknown: bool) -> _Builder:  # noqa: FBT001 - werkzeug's
    if rule.defaults:  # which go into the function
        return _compile(rule, append_unknown)
    key = (rule.rule, tuple(rule._trace), append_unknown)
    if key not in _compiled:
        _compiled[key] = _compile(rule, append_unknown)
    return _compiled[key]
