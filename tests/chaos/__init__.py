"""Chaos: seeded runs of kills, outages, full disks, resends and cut bodies against a real server."""
