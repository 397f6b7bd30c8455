"""What the ingest benchmark is made of: traffic, connections, servers under measurement, limits."""
