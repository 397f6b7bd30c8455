"""Prompts by name: a template in one version, kept in code or fetched from a watchpost and held."""
