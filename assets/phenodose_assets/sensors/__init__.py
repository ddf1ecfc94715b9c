"""Sensors: new screens are run, and what was made from changed inputs is made again."""
