"""Guards served over HTTP: many callers' texts in batches on one device."""
