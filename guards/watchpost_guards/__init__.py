"""Guards: text in, verdicts out, in process or over HTTP. They know no span and no policy."""
