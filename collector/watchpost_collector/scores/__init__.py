"""Scores that come by HTTP: from web pages with a public key, and from links that were signed."""
