"""A screen as the user brings it: its folder, its screen.toml, its layout and its plate-reader files.

Belongs here: reading and checking what lies in a raw screen folder. Does not belong here: pixels
(`phenodose.plates` and the reader plugins) and anything computed from the readings.
"""
