"""A page of alert rules: what its parts have in common to read, and to complain about.

It knows words, numbers and times as people write them; it does not know a rule or a contact.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from watchpost.errors import ConfigError
from watchpost.yaml_page import Node, YamlPage

SETTING = "alerts"
_SPAN = re.compile(r"(\d{1,4})([mhdw])", re.ASCII)
_UNITS_S = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class AlertPage(YamlPage):
    """A YAML file of rules, contacts and silences, called `name` in complaints."""

    def __init__(self, name: str) -> None:
        super().__init__(SETTING, name)

    def name_place(self, node: Node) -> str:
        """The file and line of a place, for complaints that come later."""
        return f"{SETTING}: {self._name}:{node.start_mark.line + 1}"

    def refuse_secret(self, node: Node, cure: str) -> ConfigError:
        """The error about a place whose text may be a secret: it is not shown."""
        return ConfigError(SETTING, f"{self._name}:{node.start_mark.line + 1}", cure)

    def read_items(self, node: Node) -> list[Node]:
        """One item, or a list of them."""
        return [node] if isinstance(node.value, str) else self.read_list(node)

    def read_choice(self, node: Node, offered: Sequence[str]) -> str:
        """One of the words that are offered."""
        word = self.read_text(node)
        if word not in offered:
            raise self.refuse(node, f"use one of {', '.join(offered)}")
        return word

    def read_truth(self, node: Node) -> bool:
        """`true` or `false`."""
        return self.read_choice(node, ("true", "false")) == "true"

    def read_span(self, node: Node, most_s: int, least_s: int = 1) -> int:
        """Seconds out of `30m` or `2h`."""
        seconds = parse_span(self.read_text(node))
        if not least_s <= seconds <= most_s:
            least = f" from {least_s // 60}m" if least_s > 60 else ""
            cure = f"write a span of time{least} up to {most_s // 86_400}d: 30m, 2h"
            raise self.refuse(node, cure)
        return seconds

    def read_moment(self, node: Node) -> int:
        """Seconds since 1970 out of `2026-03-01T14:00`, UTC unless it says otherwise."""
        try:
            return parse_moment(self.read_text(node))
        except ValueError as error:
            raise self.refuse(node, "write a moment like 2026-03-01T14:00 (UTC)") from error

    def read_number(self, node: Node, least: float, most: float) -> float:
        """A number within these bounds."""
        try:
            number = float(self.read_text(node))
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            raise self.refuse(node, f"write a number from {least:g} to {most:g}")
        return number


def parse_span(text: str) -> int:
    """Seconds out of `30m`, `2h`, `7d` or `1w`; 0 for anything else."""
    found = _SPAN.fullmatch(text)
    return int(found[1]) * _UNITS_S[found[2]] if found else 0


def parse_moment(text: str) -> int:
    """Seconds since 1970 of an ISO time, UTC unless it says otherwise; ValueError for others."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
