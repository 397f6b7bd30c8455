"""Migrations: plain numbered SQL files, applied in order, each once, remembered with a checksum.

A file that was applied and then altered is an error, not a surprise. Words in braces stand for what
differs between one engine and a cluster, and for expressions that would otherwise be spelled
several times over. It does not know what the SQL says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from watchpost.errors import ConfigError
from watchpost_collector.store.client import DATABASE, Store
from watchpost_collector.store.prices.units import name_words

# One OTLP attribute value: scalars and arrays of scalars. Deeper ones are folded before the spool.
_SCALAR = (
    "string_value Nullable(String), bool_value Nullable(Bool), "
    "int_value Nullable(Int64), double_value Nullable(Float64)"
)
_ATTRIBUTES = (
    f"Array(Tuple(key String, value Tuple({_SCALAR}, "
    f"array_value Tuple(values Array(Tuple({_SCALAR}))), bytes_value Nullable(String))))"
)
# The text of such a value `v`. Arrays become JSON; text is UTF-8 already (the door saw to it).
_TEXT = """multiIf(
        v.string_value is not null, assumeNotNull(v.string_value),
        v.int_value is not null, toString(assumeNotNull(v.int_value)),
        v.double_value is not null, toString(assumeNotNull(v.double_value)),
        v.bool_value is not null, toString(assumeNotNull(v.bool_value)),
        notEmpty(v.array_value.values), concat('[', arrayStringConcat(arrayMap(i -> coalesce(
            toJSONString(i.string_value), toString(i.int_value),
            toString(i.double_value), toString(i.bool_value), 'null'),
            v.array_value.values), ','), ']'),
        v.bytes_value is not null, base64Encode(assumeNotNull(v.bytes_value)),
        '')"""

# Which log record is a score, and which of those has words that go where content goes.
_IS_SCORE = """(event_name = 'gen_ai.evaluation.result'
    and (trace_id != '' or attributes['gen_ai.response.id'] != '')
    and attributes['gen_ai.evaluation.name'] != ''
    and (attributes['gen_ai.evaluation.score.label'] != ''
        or isFinite(ifNull(toFloat64OrNull(attributes['gen_ai.evaluation.score.value']), nan))))"""
_IS_COMMENT = "(trace_id != '' and attributes['gen_ai.evaluation.explanation'] != '')"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the tables live: one engine by itself, or a named cluster of replicas."""

    cluster: str = ""
    user: str = ""
    password: str = field(default="", repr=False)

    def words(self) -> Mapping[str, str]:
        """The substitutions for this layout, by the word that stands in braces."""
        scope = "replicated" if self.cluster else "non_replicated"
        return {
            "{database}": DATABASE,
            "{on_cluster}": f"on cluster '{self.cluster}'" if self.cluster else "",
            "{replicated}": "Replicated" if self.cluster else "",
            # The window counts parts (blocks x partitions), so it is far above any spool's length.
            # A part is on the disk before its insert returns: the spool's copy goes right after.
            "{durable}": f"{scope}_deduplication_window = 20000, "
            "fsync_after_insert = 1, fsync_part_directory = 1",
            # The codec of columns that name none. Hex ids shrink to half, unlike under LZ4.
            "{packed}": "default_compression_codec = 'ZSTD(1)'",
            # A dictionary reads its table as somebody; embedded there is nobody else to be.
            "{login}": f"user {_quote(self.user)} password {_quote(self.password)} "
            if self.user
            else "",
            # What one replica adds to a table the others' dictionaries see by themselves.
            "{refreshed}": "lifetime(min 20 max 40)" if self.cluster else "lifetime(0)",
            "{attributes}": _ATTRIBUTES,
            "{text}": _TEXT,
            "{is_score}": _IS_SCORE,
            "{is_comment}": _IS_COMMENT,
            **name_words(),
        }


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its name and its text as written."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, before any substitution."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self, layout: Layout) -> Iterator[str]:
        """The statements to run, in order, with the layout's words filled in."""
        text = self.text
        for word, meaning in layout.words().items():
            text = text.replace(word, meaning)
        for statement in text.split(";\n"):
            if _is_statement(statement):
                yield statement


def read_migrations(folder: Path | None = None) -> list[Migration]:
    """The packaged migrations (or those of `folder`), in order of their numbers."""
    place: Traversable | Path = folder or files(__package__).joinpath("migrations")
    found = [
        Migration(int(entry.name[:4]), entry.name, entry.read_text("utf-8"))
        for entry in place.iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found, key=lambda migration: migration.number)


def migrate(store: Store, folder: Path | None = None, cluster: str = "") -> list[str]:
    """Apply what was not applied yet and return the names.

    Raises ConfigError when a file that was applied has changed since, or has vanished.
    """
    address = urlsplit(store.dsn)
    layout = Layout(cluster, unquote(address.username or ""), unquote(address.password or ""))
    words = layout.words()
    store.command(f"create database if not exists {DATABASE} {words['{on_cluster}']}")
    store.command(
        f"create table if not exists {DATABASE}.migrations {words['{on_cluster}']} "
        "(number UInt32, name String, checksum String, applied_at DateTime default now()) "
        f"engine = {words['{replicated}']}MergeTree order by number"
    )
    applied = {
        int(number): (str(name), str(checksum))
        for number, name, checksum in store.query(
            f"select number, name, checksum from {DATABASE}.migrations"  # noqa: S608
        )
    }
    migrations = read_migrations(folder)
    _check(applied, migrations)
    done = []
    for migration in migrations:
        if migration.number in applied:
            continue
        for statement in migration.statements(layout):
            store.command(statement)
        store.insert_rows(
            "migrations",
            ["number", "name", "checksum"],
            [[migration.number, migration.name, migration.checksum]],
        )
        done.append(migration.name)
    return done


def _check(applied: Mapping[int, tuple[str, str]], migrations: list[Migration]) -> None:
    known = {migration.number: migration for migration in migrations}
    for number, (name, checksum) in sorted(applied.items()):
        migration = known.get(number)
        if migration is None:
            raise ConfigError(
                "store", name, "this database was made by a newer watchpost: upgrade the program"
            )
        if migration.checksum != checksum:
            raise ConfigError(
                "store", name, "this migration was altered after it was applied: restore the file"
            )


def _is_statement(text: str) -> bool:
    return any(line.strip() and not line.strip().startswith("--") for line in text.splitlines())


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
