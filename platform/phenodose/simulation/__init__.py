"""Simulated screens: raw folders as the instruments leave them, with known truth.

Belongs here: everything needed to write a realistic screen, and holding results against its truth
(`comparison`). Does not belong here: anything that reads raw files or computes results; the writing shares
no code with the pipeline it tests, except the names of things and the score of a curve that is known.
"""

from phenodose.simulation.screen import SimulatedScreen, simulate_screen

__all__ = ["SimulatedScreen", "simulate_screen"]
