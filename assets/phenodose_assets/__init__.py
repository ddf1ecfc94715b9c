"""The Dagster code location: wiring only.

Definitions, partitions, assets, checks, sensors and resources live here; what they do is written in
`phenodose`. Import concrete submodules; nothing is wired at import of this package.
"""
