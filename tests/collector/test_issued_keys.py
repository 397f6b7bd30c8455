"""Issued keys: what is remembered of them, what they grant, and when they no longer do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost.serving.keys import Grant, Keys, parse_keys
from watchpost_collector.access.issued_keys import FILE_NAME, KeyFile, issue_key, revoke_key


def test_an_issued_secret_grants_its_scope_in_its_project(tmp_path: Path) -> None:
    _, secret = issue_key(tmp_path, "shop", "read", "for the dashboard")
    keys = Keys(issued=KeyFile(tmp_path))
    assert keys.identify(secret) == Grant("read", "shop")
    assert keys.identify(secret[:-1]) is None
    assert keys.identify("wpk_") is None
    assert keys.identify(None) is None


def test_the_file_holds_no_secret_and_the_id_is_public(tmp_path: Path) -> None:
    key, secret = issue_key(tmp_path, "shop", "ingest")
    content = (tmp_path / FILE_NAME).read_text()
    assert secret.split("_", 2)[2] not in content
    assert secret.startswith(f"wpk_{key.id}_")
    assert len(secret.split("_", 2)[2]) == 43  # 256 bits
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_an_id_alone_or_with_anothers_secret_is_no_key(tmp_path: Path) -> None:
    key, _ = issue_key(tmp_path, "shop", "admin")
    _, other = issue_key(tmp_path, "shop", "read")
    keys = KeyFile(tmp_path)
    assert keys.identify(f"wpk_{key.id}_") is None
    assert keys.identify(f"wpk_{key.id}_{other.split('_', 2)[2]}") is None


def test_a_revoked_or_expired_key_grants_nothing_and_opens_no_door(tmp_path: Path) -> None:
    key, secret = issue_key(tmp_path, "shop", "read")
    past = datetime.now(UTC) - timedelta(seconds=1)
    _, late = issue_key(tmp_path, "shop", "admin", expires=past)
    revoke_key(tmp_path, key.id)
    keys = Keys(issued=KeyFile(tmp_path))
    assert keys.identify(secret) is None
    assert keys.identify(late) is None
    assert keys
    assert keys.identify(None) is None
    assert [key.state(datetime.now(UTC)) for key in KeyFile(tmp_path).list()] == [
        "revoked",
        "expired",
    ]


def test_revoking_again_changes_nothing_and_an_unknown_id_is_told(tmp_path: Path) -> None:
    key, secret = issue_key(tmp_path, "shop", "read")
    assert revoke_key(tmp_path, key.id) == revoke_key(tmp_path, key.id)
    with pytest.raises(ConfigError, match="keys list") as caught:
        revoke_key(tmp_path, secret)
    assert secret not in str(caught.value)


def test_given_and_issued_keys_work_beside_each_other(tmp_path: Path) -> None:
    _, issued = issue_key(tmp_path, "shop", "ingest")
    keys = Keys(parse_keys(f"admin:{'a' * 20}").entries, KeyFile(tmp_path))
    assert keys.identify("a" * 20) == Grant("admin")
    assert keys.identify(issued) == Grant("ingest", "shop")


def test_an_address_others_can_reach_is_content_with_an_issued_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="keys create"):
        Keys(issued=KeyFile(tmp_path)).require_keys_for("0.0.0.0")
    issue_key(tmp_path, "shop", "ingest")
    Keys(issued=KeyFile(tmp_path)).require_keys_for("0.0.0.0")


@pytest.mark.parametrize(
    ("project", "scope"), [("a b", "read"), ("", "read"), ("shop", "write"), ("../x", "read")]
)
def test_a_wrong_project_or_scope_issues_nothing(tmp_path: Path, project: str, scope: str) -> None:
    with pytest.raises(ConfigError):
        issue_key(tmp_path, project, scope)
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize("broken", ["{", "[]", '{"version": 9, "keys": []}', '{"keys": [1]}'])
def test_a_broken_file_is_an_error_and_never_means_keyless(tmp_path: Path, broken: str) -> None:
    (tmp_path / FILE_NAME).write_text(broken)
    with pytest.raises(ConfigError):
        KeyFile(tmp_path)
    with pytest.raises(ConfigError):
        issue_key(tmp_path, "shop", "read")
    assert (tmp_path / FILE_NAME).read_text() == broken


def test_a_key_with_an_unknown_scope_or_a_short_digest_is_refused(tmp_path: Path) -> None:
    issue_key(tmp_path, "shop", "read")
    path = tmp_path / FILE_NAME
    for name, value in (("scope", "root"), ("digest", "ab"), ("expires", "2027-01-01T00:00:00")):
        told = json.loads(path.read_text())
        told["keys"][0][name] = value
        altered = tmp_path / name / FILE_NAME
        altered.parent.mkdir()
        altered.write_text(json.dumps(told))
        with pytest.raises(ConfigError):
            KeyFile(altered.parent)
