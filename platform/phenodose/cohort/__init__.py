"""The cohort database: all tables of all screens in one DuckDB file, its views, and asking it in SQL."""
