"""The main job for a newcomer: a support assistant, its traffic, and what the store says of it."""
