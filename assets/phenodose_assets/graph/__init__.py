"""How a function becomes a Dagster asset: configuration, checks, metadata, sub-steps, broken plugins."""
