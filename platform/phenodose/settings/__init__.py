"""What a person may set: the files, and the environment's variables.

Belongs here: what may stand in `site.toml` and which of it holds, and the variables, which the faces (the command
line, the code location) read and pass on. Does not belong here: settings of one screen
(`phenodose.screens.screen`), and what follows from a setting.
"""
