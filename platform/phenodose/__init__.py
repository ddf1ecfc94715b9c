"""phenodose: from microscope images of drug-screened tumours to drug sensitivity scores.

This package holds the science, the storage, the plugin engine and the command line. It imports no
Dagster: the asset graph is wiring and lives in `phenodose_assets`. Nothing heavy is imported here,
so that `import phenodose` stays instant.
"""

__version__ = "0.1.0"
