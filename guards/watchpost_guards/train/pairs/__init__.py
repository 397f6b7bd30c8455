"""Training of the comparer: whether a claim is supported by the evidence beside it."""
