"""The store: migrations, the one client, prices, rollups. It knows no HTTP and no spool."""
