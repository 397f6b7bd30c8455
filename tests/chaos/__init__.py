"""Chaos: seeded runs of kills, outages, full disks, resends and cut bodies on a real server."""
