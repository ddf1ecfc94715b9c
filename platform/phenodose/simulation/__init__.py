"""Simulated screens: raw folders as the instruments leave them, with known truth.

Belongs here: everything needed to write a realistic screen. Does not belong here: anything that reads or
scores one; the simulation shares no code with the pipeline it tests, except the names of things and the
score of a curve whose parameters are known.
"""

from phenodose.simulation.screen import SimulatedScreen, simulate_screen

__all__ = ["SimulatedScreen", "simulate_screen"]
