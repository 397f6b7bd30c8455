"""The way in: the doors for HTTP and gRPC, and what is asked of a request before it is kept."""
