"""OTLP as bytes and messages: signals, envelopes, bounds, repairs. Knows no disk or socket."""
