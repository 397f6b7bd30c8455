"""Policies from YAML: what they say is what `Policy` says, and a mistake is told with its line."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from watchpost import Policy, Verdict, load_policy
from watchpost.errors import ConfigError, MissingExtra
from watchpost.screening.guard import Question
from watchpost.screening.policy_file import MOST_BYTES

Write = Callable[[str], Path]


class Polite:
    name = "polite"

    def check(self, question: Question) -> Verdict:
        return Verdict(self.name)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str) -> Path:
        path = tmp_path / "policy.yaml"
        path.write_text(text)
        return path

    return write_file


def test_a_file_says_all_that_a_policy_can(write: Write) -> None:
    path = write("""
deadline_s: 0.5
answer: I cannot help with that.
guards:
  pii: redact
  length: {action: flag, directions: input}
  secrets:
    action: fallback
    directions: [output, tool_argument]
    on_failure: closed
    threshold: 0.75
    deadline_s: 2
    answer: That is a secret.
  polite: escalate
""")
    polite = Polite()
    loaded = load_policy(path, guards=[polite])
    written = Policy(
        redact=["pii"],
        flag=["length"],
        fallback=["secrets"],
        escalate=[polite],
        directions={"length": "input", "secrets": ["output", "tool_argument"]},
        on_failure={"secrets": "closed"},
        thresholds={"secrets": 0.75},
        deadline_s=0.5,
        deadlines={"secrets": 2.0},
        answer="I cannot help with that.",
        answers={"secrets": "That is a secret."},
    )
    assert loaded.rules == written.rules


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("guards:\n  pii: blok\n", 2, ["blok", "block, fallback, redact, escalate, flag"]),
        ("guards:\n  pij: block\n", 2, ["pij", "length", "pii", "secrets", "polite"]),
        ("guards:\n  pii:\n    on_failure: closed\n", 2, ["pii", "action", "block"]),
        (
            "guards:\n  pii:\n    action: flag\n    onfailure: closed\n",
            4,
            ["onfailure", "on_failure"],
        ),
        ("guards:\n  pii:\n    action: flag\n    on_failure: ajar\n", 4, ["ajar", "open, closed"]),
        ("guards:\n  pii:\n    action: flag\n    threshold: 1.5\n", 4, ["1.5", "0 to 1"]),
        ("guards:\n  pii:\n    action: flag\n    threshold: nan\n", 4, ["nan", "0 to 1"]),
        ("guards:\n  pii:\n    action: flag\n    threshold: high\n", 4, ["high", "number"]),
        ("guards:\n  pii:\n    action: flag\n    deadline_s: 0\n", 4, ["'0'", "above 0"]),
        ("guards:\n  pii:\n    action: flag\n    directions: up\n", 4, ["up", "tool_result"]),
        (
            "guards:\n  pii:\n    action: flag\n    directions: [input, both]\n",
            4,
            ["both", "input"],
        ),
        ("guards:\n  pii:\n    action: flag\n    directions: []\n", 4, ["document"]),
        ("guards:\n  pii: fallback\n", 2, ["fallback", "answer"]),
        ("guards:\n  pii: flag\n  pii: block\n", 3, ["pii", "twice"]),
        ("guards:\n  pii: &x flag\n  secrets: *x\n", 3, ["alias"]),
        ("guards:\n  pii: !!python/object/apply:os.system [ls]\n", 2, ["keys and values"]),
        ("deadline_s: soon\nguards: {pii: flag}\n", 1, ["soon", "number"]),
        ("guard:\n  pii: flag\n", 1, ["guard", "guards, deadline_s, answer"]),
        ("guards: [pii]\n", 1, ["keys and values"]),
        ("guards:\n  pii: [flag\n", 3, ["no YAML"]),
        ("guards: " + "[" * 40 + "]" * 40, 1, ["nested too deeply"]),
    ],
)
def test_a_mistake_is_told_with_its_file_line_value_and_what_may_stand_there(
    write: Write, text: str, line: int, told: list[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        load_policy(write(text), guards=[Polite()])
    assert f"policy.yaml:{line}" in str(error.value)
    for words in told:
        assert words in str(error.value)


@pytest.mark.parametrize("text", ["", "{}", "deadline_s: 1\n"])
def test_a_file_without_guards_says_what_to_write(write: Write, text: str) -> None:
    with pytest.raises(ConfigError, match=r"policy\.yaml.*guards:"):
        load_policy(write(text))


def test_a_file_that_is_too_large_is_not_read(write: Write) -> None:
    with pytest.raises(ConfigError, match="keep it below"):
        load_policy(write("guards: {pii: flag}\n#" + "x" * MOST_BYTES))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.yaml"):
        load_policy(tmp_path / "missing.yaml")


def test_without_pyyaml_the_pip_command_is_named(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "watchpost.yaml_page", raising=False)
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingExtra, match=r'pip install "watchpost\[guards\]"'):
        load_policy(write("guards: {pii: flag}\n"))


def test_a_guards_settings_stand_in_the_file(write: Write) -> None:
    path = write("""
guards:
  length: {action: block, settings: {max_chars: 10}}
""")
    (rule,) = load_policy(path).rules
    assert rule.guard.check(Question("x" * 11)).tripped
    assert not rule.guard.check(Question("x" * 10)).tripped


def test_one_kind_of_guard_can_be_there_under_several_names(write: Write) -> None:
    path = write("""
guards:
  small: {guard: context_window, action: flag, settings: {window: 5}}
  large: {guard: context_window, action: block, settings: {window: {other: 7, own: 1000}}}
""")
    block, flag = load_policy(path).rules
    assert (block.guard.name, flag.guard.name) == ("large", "small")
    question = Question("x " * 100, model="own")
    assert flag.guard.check(question).tripped
    assert not block.guard.check(question).tripped


def test_a_file_among_the_settings_is_seen_from_the_policys_folder(
    write: Write, tmp_path: Path
) -> None:
    (tmp_path / "answer.json").write_text('{"type": "object", "required": ["price"]}')
    path = write("""
guards:
  schema: {action: block, settings: {schema: answer.json}}
""")
    (rule,) = load_policy(path).rules
    assert rule.guard.check(Question("{}", "output")).reason == "$: required price"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (
            "canary:\n    action: flag\n    settings: {words: 0}",
            r"policy.yaml:5 '0'.*canary\(words",
        ),
        ("canary:\n    action: flag\n    settings: {worms: 9}", r":5 '9'.*use one of allowed, tok"),
        ("canary:\n    action: flag\n    settings:\n      words: yes", r":6 'yes'.*quotes"),
        ("secrets:\n    action: flag\n    settings: {words: 1}", r":5 '1'.*no settings"),
        ("own:\n    guard: pii\n    action: flag", r":4 'pii'.*is called 'pii'"),
        ("own:\n    guard: nobody\n    action: flag", r":4 'nobody'.*name one of"),
        ("polite:\n    action: flag\n    settings: {a: 1}", r":5 'a'.*made in Python"),
        ("schema:\n    action: flag\n    settings: {schema: {type: odd}}", r":5.*at type: "),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_with_its_line(
    write: Write, entry: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        load_policy(write(f"\nguards:\n  {entry}\n"), guards=[Polite()])
