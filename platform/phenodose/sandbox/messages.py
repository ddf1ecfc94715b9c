"""What a guarded plugin's process is told, and what it answers.

Belongs here: the messages, which both sides import. Does not belong here: either side (`plugin_process`,
`worker`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from phenodose.settings.plugin_choices import PluginChoices
    from phenodose.settings.plugin_limits import PluginLimits


class Order(NamedTuple):
    """Which plugin the process is for; its parameters are pickled, as they may hold objects of its module.

    `site` is what site.toml says of plugins: a scorer that asks another one finds it by that.
    """

    sys_path: tuple[str, ...]
    scratch: str
    kind: str
    target: str
    parameters: bytes
    memory_bytes: int
    site: tuple[PluginChoices, PluginLimits]


class Answer(NamedTuple):
    """What came of a call.

    It is a result; or an error of `phenodose.errors` that the contract provides for, by the name of its class, and its
    message; or what is wrong with the plugin.
    """

    result: Any = None
    raised: str = ""
    message: str = ""
    fault: str = ""
