from __future__ import annotations

from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost.screening.guard import Question
from watchpost_collector.intake.patterns import PatternGuard, read_patterns
from watchpost_collector.intake.redaction import load_redaction
from watchpost_collector.otlp.signals import METRICS, TRACES


def test_a_pattern_says_where_it_stands() -> None:
    guard = PatternGuard("ticket", "tck-[0-9]+", ignore_case=True)

    verdict = guard.check(Question("see TCK-12 and tck-3"))

    assert [(one.start, one.end) for one in verdict.findings] == [(4, 10), (15, 20)]
    assert verdict.label == "TICKET"


def test_a_pattern_that_never_ends_gives_up() -> None:
    with pytest.raises(TimeoutError):
        PatternGuard("endless", "(a|aa)+$").check(Question("a" * 60 + "!"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("patterns: []", "1 to"),
        ("pattern: [{name: a, pattern: b}]", "write `patterns:`"),
        ("patterns: [{name: a, pattern: b, colour: red}]", "ignore_case"),
        ("patterns: [{name: A B, pattern: b}]", "small letters"),
        ("patterns: [{name: a, pattern: '('}]", "no pattern"),
        ("patterns: [{name: a, pattern: 5}]", "one text"),
        ("patterns: {", "no YAML"),
        ("patterns: !!python/object/apply:os.getcwd []", "no YAML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_what_is_wrong(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=reason):
        read_patterns(path, "--redact")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="readable"):
        read_patterns(tmp_path / "none.yaml", "--redact")


def test_no_setting_is_no_redaction() -> None:
    assert load_redaction(" , ") is None


def test_metrics_are_masked_and_not_marked(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("patterns: [{name: ticket, pattern: 'TCK-[0-9]+'}]")
    redaction = load_redaction(str(tmp_path / "own.yaml"))
    assert redaction is not None
    request = METRICS.request()
    point = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m").sum
    point.data_points.add().attributes.add(key="about").value.string_value = "TCK-1"

    masked = METRICS.request.FromString(redaction.redact(request.SerializeToString(), METRICS))

    [found] = masked.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points
    assert [(one.key, one.value.string_value) for one in found.attributes] == [
        ("about", "[TICKET]")
    ]
    assert redaction.redact(b"", TRACES) == b""
    redaction.close()
