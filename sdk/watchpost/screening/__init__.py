"""Guards and what comes of them: a policy, a question, a verdict and the decision it leads to."""
