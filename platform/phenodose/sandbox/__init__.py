"""Plugins of other distributions at arm's length: each works in a process with limits, and its results are checked.

Belongs here: the process, its walls and messages, what results must look like, the limits of a site, and the trial of
imports. Does not belong here: what a plugin is and which there are (`phenodose.plugins`), and the rules that an author
tries a plugin on (`phenodose.testing`).
"""
