"""Prices: what is charged for, the public list, a person's own prices, and what calls cost."""
