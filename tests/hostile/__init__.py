"""Hostile senders: requests of every bad shape over real sockets, beside honest traffic."""
