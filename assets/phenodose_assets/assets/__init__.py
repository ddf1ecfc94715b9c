"""The assets; each file is named after the asset key that it makes."""
