"""Prompts as files: how they are named, what they say, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost.template import read_template
from watchpost_collector.command.prompt_files import read_prompt_files

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{q}}"}]
YAML = """\
name: said-name
note: shorter
messages:
  - {role: system, content: Be brief.}
  - role: user
    content: "{{q}}"
"""


def test_a_text_is_its_template_without_the_files_last_line_end(tmp_path: Path) -> None:
    file = tmp_path / "answer.md"
    file.write_bytes("\ufeff# Répondre\r\n\r\nto {{q}}\r\n".encode())

    [found] = read_prompt_files(file)

    assert found.name == "answer"
    assert found.template == read_template("# Répondre\n\nto {{q}}")
    assert read_prompt_files(file, "other")[0].name == "other"


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("yaml", YAML),
        ("yml", YAML.replace("name: said-name\nnote: shorter\n", "")),
        ("yaml", "- {role: system, content: Be brief.}\n- {role: user, content: '{{q}}'}\n"),
        ("json", '[{"role":"system","content":"Be brief."},{"content":"{{q}}","role":"user"}]'),
    ],
)
def test_messages_may_be_written_in_yaml_and_json(tmp_path: Path, ending: str, text: str) -> None:
    file = tmp_path / f"chat.{ending}"
    file.write_text(text)
    assert read_prompt_files(file)[0].template == read_template(CHAT)


def test_a_structured_file_may_say_its_name_and_a_note(tmp_path: Path) -> None:
    file = tmp_path / "chat.yaml"
    file.write_text(YAML)
    [found] = read_prompt_files(file)
    assert (found.name, found.note) == ("said-name", "shorter")
    assert read_prompt_files(file, "given")[0].name == "given"
    file.write_text("template: |-\n  one\n  two {{x}}\n")
    assert read_prompt_files(file)[0].template == read_template("one\ntwo {{x}}")


def test_a_folder_holds_every_prompt_below_it_named_by_its_path(tmp_path: Path) -> None:
    for name in ("b.txt", "support/reply.md", "support/a.yaml", "read.me", ".hidden/x.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("template: x" if path.suffix == ".yaml" else "x")

    assert [found.name for found in read_prompt_files(tmp_path)] == [
        "b",
        "support/a",
        "support/reply",
    ]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.yaml", "template: [", "it is no YAML"),
        ("a.yaml", "just a text", "write template: or messages:"),
        ("a.yaml", "{template: x, messages: []}", "write template: or messages:"),
        ("a.yaml", "{template: x, tempalte: y}", "'tempalte' is none of its keys"),
        ("a.yaml", "{template: 7}", "its template=7"),
        ("a.yaml", "messages: [{content: x}]", "its template="),
        ("a.yaml", "!!python/object/apply:os.system [x]", "it is no YAML"),
        ("a.json", "{", "it is no JSON"),
        ("a.md", b"\xff", "byte 0 is no UTF-8"),
    ],
)
def test_what_is_wrong_is_told_with_the_file(
    tmp_path: Path, name: str, text: str | bytes, told: str
) -> None:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        read_prompt_files(tmp_path)
    assert str(file) in str(caught.value)
    assert told in str(caught.value)


def test_a_folder_that_cannot_be_pushed_as_a_whole_is_not_read_by_half(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it holds no prompt"):
        read_prompt_files(tmp_path)
    with pytest.raises(ConfigError, match="No such file"):
        read_prompt_files(tmp_path / "nothing")
    for name in ("a.md", "a.txt"):
        (tmp_path / name).write_text("x")
    with pytest.raises(ConfigError, match=r"a\.md is a prompt of the same name"):
        read_prompt_files(tmp_path)
    with pytest.raises(ConfigError, match="named by their files"):
        read_prompt_files(tmp_path, "one")
