"""The read API: what a key may see of its project, as JSON and as Parquet, under /api/v1/."""
