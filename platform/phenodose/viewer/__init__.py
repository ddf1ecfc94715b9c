"""The plate viewer: `phenodose view SCREEN` shows the plates of a screen in a browser on this machine.

Belongs here: what a page asks for (mosaics, wells, planes), the server on loopback that answers, and the page itself
(`page/`: plain HTML, CSS and JavaScript modules, no build). Does not belong here: reading pixels (`phenodose.plates`)
and reports, which are files of their own (`phenodose.reports`).
"""
