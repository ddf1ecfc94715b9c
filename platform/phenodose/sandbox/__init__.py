"""Work in a process of its own: started, asked, limited, kept from writing, and ended, in one way for all.

Three things work there: plugins of other distributions (`phenodose.plugins.isolation`), the trial of their imports
(`phenodose.plugins.import_trials`), and networks (`phenodose.plugins.network_process`). Each is a handler: a class
whose instance, in the worker, turns the bytes of a request into the bytes of an answer.

Belongs here: the worker process, what it may do and take, and values written so that reading them runs no code. Does
not belong here: what is asked, settings, and plugins; nothing here knows them or reads the environment.
"""
