"""Sensors: what happens in a store without anybody pressing a button; one module a sensor.

Belongs here: which screens a tick looks at, and what it asks for. Does not belong here: what a screen folder must hold
(`registration`), what is looked at outside of the graph (`external`), and making anything (the assets).
"""
