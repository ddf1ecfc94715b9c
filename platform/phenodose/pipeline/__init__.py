"""The pipeline: one function a step, from raw numbers to scores, maps and studies.

Belongs here: the steps as every face takes them (the asset graph, the command line, Python), each once. What a step
decides (whose controls serve a sample, what becomes of a plate without controls, where reference samples come from) is
decided here and told in `notes`. Does not belong here: Dagster, click, and the science that a step calls
(`phenodose.viability`, `quality`, `dose_response`, `learning`).
"""
