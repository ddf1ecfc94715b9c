"""The pipeline: one function for each step from raw data to scores, without Dagster and command line."""
