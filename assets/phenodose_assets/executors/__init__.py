"""Executors: where the steps of a run are run.

Belongs here: the choice (`choice`), what kinds of work steps are (`work`), Slurm's three commands (`slurm`), steps as
jobs (`slurm_steps`) and run workers as jobs (`slurm_runs`). Does not belong here: what a step does (`graph`).
"""
