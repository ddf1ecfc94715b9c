"""What a guarded plugin's process is told, and what it answers.

Belongs here: the messages, which both sides import. Does not belong here: either side (`plugin_guard`,
`plugin_guard_worker`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Order(NamedTuple):
    """Which plugin the process is for."""

    sys_path: tuple[str, ...]
    scratch: str
    target: str
    parameters: Mapping[str, Any]
    memory_bytes: int


class Answer(NamedTuple):
    """What came of a call: a result, why there can be none, or what is wrong with the plugin."""

    result: Any = None
    not_made: str = ""
    fault: str = ""
