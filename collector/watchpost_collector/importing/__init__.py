"""Existing logs in: lines of several shapes become the same spans a live call would have sent."""
