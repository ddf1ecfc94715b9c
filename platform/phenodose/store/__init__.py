"""The store: where every product of every screen lies, and how it is written and read."""
