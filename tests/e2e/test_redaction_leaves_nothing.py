"""A guarded application's secrets are in no file, no log and no column, however they are written.

The same application without a policy is run beside it, to show that the search finds what is there.
"""

import base64
import gzip
import json
import random
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from running_server import RunningServer

from watchpost.testing.exchange import Answer, ProviderRequest
from watchpost.testing.provider import ProviderServer

APPLICATION = Path(__file__).with_name("leaky_application.py")
NOBODY = "http://127.0.0.1:9"


def make_secrets() -> list[str]:
    """A card, an address and a key nobody else has, so that runs can share a server."""
    dice = random.SystemRandom()
    digits = [4, *(dice.randrange(10) for _ in range(14))]
    doubled = [d * 2 - 9 * (d > 4) if i % 2 == 0 else d for i, d in enumerate(digits)]
    number = "".join(map(str, [*digits, -sum(doubled) % 10]))
    card = " ".join(number[start : start + 4] for start in range(0, 16, 4))
    letters = "".join(dice.choices("abcdefghkmnpqrstuvwxyz", k=12))
    key = "".join(dice.choices("abcdefghkmnpqrstABCDEFGHKM23456789", k=32))
    return [card, f"{letters}@example.com", "sk-" + f"proj-{key}"]


def spell(secret: str) -> set[bytes]:
    """Every way the application writes a secret: as it is, percent, base64 at each alignment."""
    spelled = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret.encode()).decode().rstrip("=")
        spelled.add(encoded[(0, 2, 3)[shift] : -1])
    return {text.encode() for text in spelled}


@dataclass(frozen=True, slots=True)
class Haystack:
    """Something to search, and where it is from."""

    place: str
    content: bytes


def search(secrets: list[str], haystacks: Iterable[Haystack]) -> list[tuple[str, str]]:
    """Where which spelling of which secret stands."""
    needles = [spelling for secret in secrets for spelling in spell(secret)]
    return [
        (hay.place, needle.decode())
        for hay in haystacks
        for needle in needles
        if needle in hay.content
    ]


def read_files(*folders: Path) -> Iterable[Haystack]:
    """Every file, and what is in it when it is compressed."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                yield Haystack(str(path), content)
                if path.suffix == ".gz":
                    yield Haystack(f"inside {path}", gzip.decompress(content))


def read_tables(server: RunningServer) -> Iterable[Haystack]:
    """Every row of every table, all columns as text."""
    names = [name for (name,) in server.query("SHOW TABLES FROM watchpost")]
    assert "spans" in names
    for name in names:
        rows = server.query(f"SELECT * FROM watchpost.`{name}`")
        yield Haystack(f"table {name}", "\n".join(map(str, rows)).encode())
        # Strings in a row of a row are escaped once more by JSON.
        yield Haystack(f"table {name} as JSON", json.dumps(rows).encode())


def echo(request: ProviderRequest) -> Answer:
    """Say what was said, in short pieces; fail where asked, quoting the request."""
    from watchpost.testing.exchange import Failure

    said = json.dumps(request.body["messages"][-1]["content"])
    if "fail for" in said:
        return Answer(failure=Failure(400, f"cannot do {said}"))
    return Answer(text=said, pieces=[said[start : start + 5] for start in range(0, len(said), 5)])


def run_application(
    endpoint: str, provider: ProviderServer, folder: Path, mode: str, secrets: list[str]
) -> Haystack:
    """Run it to its end; everything it printed."""
    provider.respond = echo
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [endpoint, provider.openai_url, str(folder / "spill"), mode, json.dumps(secrets)]
    finished = subprocess.run(
        [sys.executable, str(APPLICATION), *arguments], capture_output=True, timeout=240
    )
    printed = finished.stdout + finished.stderr
    assert finished.returncode == 0, printed.decode()
    assert (b"kept" if endpoint == NOBODY else b"delivered") in finished.stdout, printed.decode()
    return Haystack("the application's output", printed)


def search_everywhere(
    server: RunningServer, provider: ProviderServer, folder: Path, mode: str, secrets: list[str]
) -> list[tuple[str, str]]:
    """Run the application against a server, then look everywhere."""
    printed = run_application(server.otlp_url, provider, folder, mode, secrets)
    server.flush()
    found = search(secrets, [printed, Haystack("the server's log", server.output.encode())])
    found += search(secrets, read_tables(server))
    return found + search(secrets, read_files(server.data, folder))


@pytest.mark.parametrize("mode", ["guarded", "scoped"])
def test_a_guarded_applications_secrets_are_nowhere(
    server: RunningServer, provider: ProviderServer, tmp_path: Path, mode: str
) -> None:
    secrets = make_secrets()
    assert search_everywhere(server, provider, tmp_path / "app", mode, secrets) == []
    sent = json.dumps([dict(request.body) for request in provider.requests])
    assert search(secrets, [Haystack("what the provider got", sent.encode())]) == []
    # The spans are there all the same, with something else in the secrets' place.
    (spans,) = server.query(
        "SELECT count() FROM watchpost.spans WHERE service = 'leaky' "
        "AND name LIKE '%[EMAIL_ADDRESS]%'"
    )
    assert int(spans[0]) >= 2


def test_the_search_finds_everything_an_unguarded_application_leaks(
    server: RunningServer, provider: ProviderServer, tmp_path: Path
) -> None:
    secrets = make_secrets()
    found = search_everywhere(server, provider, tmp_path / "app", "bare", secrets)
    for secret in secrets:
        assert {needle for _, needle in found} >= {secret, quote(secret, safe="")}
        plain = base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]
        assert plain in {needle for _, needle in found}
    assert {place for place, _ in found} >= {"table spans", "table content"}


@pytest.mark.parametrize("mode", ["guarded", "scoped", "bare"])
def test_what_waits_on_disk_for_a_collector_is_masked_already(
    provider: ProviderServer, tmp_path: Path, mode: str
) -> None:
    secrets = make_secrets()
    printed = run_application(NOBODY, provider, tmp_path / "app", mode, secrets)
    waiting = list(read_files(tmp_path / "app" / "spill"))
    found = search(secrets, [printed, *waiting])
    assert any(b"leaky" in hay.content for hay in waiting)
    if mode != "bare":
        assert found == []
    else:
        assert {needle for _, needle in found} >= set(secrets)
