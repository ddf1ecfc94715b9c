"""The targets of drugs: which targets a sample is sensitive at, how they interact, what else is known of their genes.

Belongs here: reading tables of targets, of interactions and of a sample's genes; statistics of targets and of hubs;
which genes a picture shows, and where. Does not belong here: where the files lie (`phenodose.screens.target_files`),
scores (`phenodose.dose_response`), drawing (`phenodose.plots.target_network`).
"""
