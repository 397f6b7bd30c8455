"""Erasing a person, a session or a trace: everywhere, provably, and again when it comes late."""
