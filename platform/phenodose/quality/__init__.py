"""How far a screen can be trusted: metrics of its controls, replicates and positions, with verdicts.

Belongs here: pure functions from wells to quality metrics, their limits, and the QC rows. Does not belong
here: scaling to viability (`phenodose.viability`) and pictures of the metrics (`phenodose.plots`).
"""
