"""Lineage: what every step and row records of its making, and the chain from a score to its raw files."""
