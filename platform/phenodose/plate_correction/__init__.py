"""Effects of the place on the plate, and taking them off the readings: B-score, loess, residuals of the fits.

Importing this package has no effect. Does not belong here: judging whether a plate has such effects
(`phenodose.quality`), and the order of the steps (`phenodose.pipeline.plate_correction`).
"""
