"""An adversarial suite: known attacks, the ways they are disguised, and what gets through."""
