"""What was accepted, on disk until it is proved stored: writer, segments, digests, flusher."""
