"""Readings: what a server measures of itself, as named values at one moment.

The values alone: this file does not know what is measured nor how a reading is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from watchpost.serving.histogram import Distribution

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value and what sets it apart from the others of its reading."""

    value: float | Distribution
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured thing: a Prometheus name without its suffix, its UCUM unit, its values."""

    name: str
    kind: Kind
    help: str
    unit: str
    samples: tuple[Sample, ...]
