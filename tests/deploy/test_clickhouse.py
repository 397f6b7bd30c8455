"""What only a ClickHouse server has, as far as the engine here can tell: every statement parses,
every setting exists, and what Kafka would deliver lands in the tables."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from known_calls import build_request
from store_segments import make_call, name_segment

from watchpost_collector.otlp.envelope import Letter, encode_varint, frame_head
from watchpost_collector.store.client import Store
from watchpost_collector.store.cluster import write_statements
from watchpost_collector.store.migrate import Layout, read_migrations

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FILES = sorted((DEPLOY / "clickhouse").glob("*.sql"))
CLUSTER = Layout(cluster="watchpost", user="watchpost", password="it's a \\ secret")
# The sections of a server's configuration that ours names, and what a user may have.
SECTIONS = {
    *("remote_servers", "macros", "zookeeper", "distributed_ddl", "custom_settings_prefixes"),
    *("format_schema_path", "merge_tree", "query_thread_log", "query_views_log", "trace_log"),
    *("text_log", "asynchronous_metric_log", "metric_log", "processors_profile_log"),
    *("query_log", "part_log"),
}
BROKERS_COLUMNS = (
    *("_topic String", "_partition UInt64", "_offset UInt64"),
    *("_error String", "_raw_message String"),
)
OF_USER = {"password", "networks", "profile", "quota", "grants"}
OF_INTERVAL = {"duration", "queries", "errors", "result_rows", "read_rows", "execution_time"}


def split_file(path: Path) -> Iterator[str]:
    text = re.sub(r"^\s*--[^\n]*", "", path.read_text(), flags=re.MULTILINE)
    return (statement.strip() for statement in text.split(";\n") if statement.strip())


def parse(store: Store, statement: str) -> str:
    rows = store.query("select formatQuery({statement:String})", {"statement": statement})
    store.query(f"explain ast {statement}")
    return str(rows.rows[0][0])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_engine_parses_every_statement_for_a_server(embedded_store: Store, path: Path) -> None:
    statements = list(split_file(path))

    assert len(statements) > 5
    for statement in statements:
        assert parse(embedded_store, statement)


def test_the_migrations_of_a_cluster_replicate_every_table_and_parse(embedded_store: Store) -> None:
    parsed = [
        parse(embedded_store, statement)
        for migration in read_migrations()
        for statement in migration.statements(CLUSTER)
    ]

    stored = [text for text in parsed if "MergeTree" in text]
    assert stored
    assert [
        text for text in stored if not re.search(r"ENGINE = Replicated\w*MergeTree", text)
    ] == []
    made = [text for text in parsed if text.startswith(("CREATE", "ALTER"))]
    assert [text[:80] for text in made if "ON CLUSTER watchpost" not in text] == []
    assert not any("non_replicated_deduplication_window" in text for text in parsed)


def test_every_relation_people_read_can_be_read_over_all_shards(embedded_store: Store) -> None:
    relations = ["spans", "content", "verdicts", "generations", "usage_hourly"]

    for name, statement in zip(
        ["", *relations], write_statements(relations, "watchpost"), strict=True
    ):
        parse(embedded_store, statement)
        if name:
            # The columns of a table, and of a view, are what the Distributed table takes over.
            local = re.sub(r"on cluster '\w+'|watchpost_all\.", "", statement)
            local = re.sub(r"engine = .*", "engine = Null", local)
            embedded_store.command(local.replace(f"table {name} ", f"table watchpost.all_{name} "))
            embedded_store.command(f"drop table watchpost.all_{name}")


def test_every_setting_of_a_profile_exists(embedded_store: Store) -> None:
    text = (DEPLOY / "clickhouse" / "0001_access.sql").read_text()
    clauses = re.findall(r"create settings profile.*? settings\n(.*?);", text, re.DOTALL)
    named = set(
        re.findall(r"(?:^|,)\s*(?:--[^\n]*\n\s*)*(\w+) =", "\n".join(clauses), re.MULTILINE)
    )
    users = ElementTree.parse(DEPLOY / "clickhouse-users.xml").getroot()
    for profile in users.findall("profiles/*"):
        named |= {key.tag for key in profile if key.tag != "constraints"}
        named |= {key.tag for key in profile.findall("constraints/*")}

    known = {row[0] for row in embedded_store.query("select name from system.settings")}

    assert {"insert_quorum", "max_result_rows", "readonly", "max_execution_time"} <= named
    assert named - known == set()


def test_the_configuration_of_a_server_says_only_what_a_server_knows(embedded_store: Store) -> None:
    config = ElementTree.parse(DEPLOY / "clickhouse" / "config.xml").getroot()
    users = ElementTree.parse(DEPLOY / "clickhouse-users.xml").getroot()
    known = {row[0] for row in embedded_store.query("select name from system.merge_tree_settings")}

    assert {section.tag for section in config} <= SECTIONS
    assert {key.tag for key in config.findall("merge_tree/*")} <= known
    assert {section.tag for section in users} == {"profiles", "quotas", "users"}
    assert {key.tag for key in users.findall("users/*/*")} <= OF_USER
    assert {key.tag for key in users.findall("quotas/*/interval/*")} <= OF_INTERVAL
    quotas = {quota.tag for quota in users.findall("quotas/*")}
    assert {key.text for key in users.findall("users/*/quota")} <= quotas
    [cluster] = config.findall("remote_servers/*")
    assert [shard.findtext("internal_replication") for shard in cluster.findall("shard")] == [
        "true",
        "true",
    ]


def test_no_secret_is_written_in_what_is_deployed() -> None:
    access = (DEPLOY / "clickhouse" / "0001_access.sql").read_text()
    assert set(re.findall(r"sha256_password by '([^']*)'", access)) == {
        "{writer_password}",
        "{grafana_password}",
        "{team_a_password}",
    }
    for path in (DEPLOY / "clickhouse" / "config.xml", DEPLOY / "clickhouse-users.xml"):
        tree = ElementTree.parse(path)
        secrets = [item for item in tree.iter() if item.tag in ("password", "secret")]
        assert secrets
        assert all(item.get("from_env") and not item.text for item in secrets)


def test_what_kafka_delivers_lands_in_the_tables(served_store: Store) -> None:
    """The views run as they are; a Null table with Kafka's columns stands for the broker."""
    project = name_segment("kafka")
    for statement in split_file(DEPLOY / "clickhouse" / "0002_kafka.sql"):
        served_store.command(unplug(statement).replace("{project}", project))
        if made := re.match(
            r"create table \D*?(watchpost\.kafka_(?:envelopes|requests))", statement
        ):
            for column in BROKERS_COLUMNS:
                served_store.command(f"alter table {made[1]} add column {column}")
    body = build_request([make_call(), make_call()]).SerializeToString()
    send(served_store, "Envelope", "kafka_envelopes", frame(body, project))
    send(served_store, "Request", "kafka_requests", encode_varint(len(body)) + body)
    served_store.command("insert into watchpost.kafka_requests (_topic, _error) values ('t', 'x')")

    rows = served_store.query(
        "select count() from watchpost.spans where project = {p:String}", {"p": project}
    )
    refused = served_store.query("select topic, error from watchpost.kafka_refused")

    for table in ("envelopes", "requests", "refused"):
        for view in ("wire", "refused"):
            served_store.command(f"drop table if exists watchpost.kafka_{table}_to_{view}")
        served_store.command(f"drop table watchpost.kafka_{table}")
    assert rows.rows == [(4,)]
    assert refused.rows == [("t", "x")]


def unplug(statement: str) -> str:
    pattern = r"engine = Kafka\nsettings .*?(?=\nempty|$)"
    return re.sub(pattern, "engine = Null", statement, flags=re.DOTALL)


def frame(body: bytes, project: str) -> bytes:
    letter = Letter(body, project, 1_790_000_000_000_000_000, 2, backfill=True)
    return frame_head(letter, "kafka") + body


def send(store: Store, message: str, table: str, body: bytes) -> None:
    """What the server's Kafka engine does with a message's bytes, by an insert of our own."""
    schema = (
        DEPLOY.parent / "collector" / "watchpost_collector" / "store" / "envelope.proto"
    ).read_text()
    client = clickhouse_connect.get_client(dsn=store.dsn)
    client.raw_insert(
        f"watchpost.{table}",
        insert_block=body,
        fmt="Protobuf",
        settings={
            "format_schema_source": "string",
            "format_schema": schema,
            "format_schema_message_name": message,
        },
    )
    client.close()
