"""The dashboards, a file each."""
