"""How far a screen can be trusted: figures of its controls, replicates and positions, with verdicts.

Belongs here: pure functions from wells to quality figures, their limits, and the QC rows. Does not belong
here: scaling to viability (`phenodose.viability`) and pictures of the figures (`phenodose.plots`).
"""
