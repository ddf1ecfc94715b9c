"""The plugins that a command takes where none is named.

Belongs here: the staged readout that a command about networks means. Does not belong here: what comes first
(`phenodose.plugins.preferences`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.errors import InputError, PluginError

if TYPE_CHECKING:
    from phenodose.plugins import Registry, StagedReadout


def staged_readout(plugins: Registry, name: str | None) -> type[StagedReadout]:
    """The staged readout of that name, else the first there is.

    Raises:
        PluginError: it is not installed, or no staged readout is.
        InputError: it has no network.
    """
    from phenodose.plugins import StagedReadout
    from phenodose.plugins.preferences import staged_readouts

    if name is None:
        found = next(iter(staged_readouts(plugins.usable("readout")).values()), None)
        if found is None:
            raise PluginError("no staged readout is installed; install a plugin that offers one.")
        return found
    plugin = plugins.get("readout", name)
    if not issubclass(plugin, StagedReadout):
        known = ", ".join(staged_readouts(plugins.usable("readout"))) or "none is installed"
        raise InputError(f"readout {name} has no network; name a staged readout such as {known}.")
    return plugin
