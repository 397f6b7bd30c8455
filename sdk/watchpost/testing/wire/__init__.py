"""The wire formats a stand-in provider speaks: one file each, answers in, JSON and events out."""
