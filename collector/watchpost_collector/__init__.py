"""OTLP in, ClickHouse out: the collector, its embedded server, its query endpoint and its page."""
