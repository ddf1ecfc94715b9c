"""From a readout's raw numbers to viability: which wells are the controls, and the scaling between them.

Belongs here: everything between a raw number a well and `viability_fraction`. Does not belong here:
judging how good the controls are (`phenodose.quality`) and dose-response curves (`phenodose.dose_response`).
"""
