"""Values written into SQL, for the one place that cannot bind them: a query that Grafana keeps.

A text is written byte by byte: whatever is not plainly harmless becomes a number. So nothing in it
can end the literal, and nothing is left of what others on the way would replace: Grafana's macros
and variables, and the environment variables of its provisioning files. Where values can be bound
they are bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACE = re.compile(r"\{(\w+):([A-Za-z0-9]+(?:\([A-Za-z0-9]+\))?)\}")
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _.:/@+=,#-")


def fill_in(sql: str, bound: Mapping[str, object], written: Mapping[str, str]) -> str:
    """The statement with a literal in each `{name:Type}`, or the SQL that `written` has for it.

    Raises KeyError for a name that has no value, TypeError for a value that has no literal.
    """

    def fill(place: re.Match[str]) -> str:
        name, kind = place.groups()
        return f"CAST({written[name] if name in written else write_literal(bound[name])}, '{kind}')"

    return _PLACE.sub(fill, sql)


def write_literal(value: object) -> str:
    """A number, a text, or a list of them, as ClickHouse reads it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(write_literal(one) for one in value)}]"
    if isinstance(value, str):
        spelled = (chr(byte) if byte in _PLAIN else f"\\x{byte:02X}" for byte in value.encode())
        return f"'{''.join(spelled)}'"
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
        return repr(value)
    raise TypeError(f"a {type(value).__name__} has no literal")
