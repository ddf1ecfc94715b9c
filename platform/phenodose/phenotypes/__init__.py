"""Phenotypes: what wells look like beside how many cells live, and which drugs look alike.

Belongs here: features of images without a network, laying screens over each other by their untreated wells, taking
viability out of features, and whether replicates and drugs are closer than others. Does not belong here: networks
(`phenodose.learning`), places on a map (embedder plugins), files of screens.
"""
