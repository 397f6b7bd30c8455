"""The store: migrations, the one client, prices and rollups. It knows no HTTP and no files of ours."""
