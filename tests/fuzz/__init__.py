"""Fuzzing: every parser, fed with mutations of what it is meant to read, for a bounded time."""
