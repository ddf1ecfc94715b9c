"""What a worker may be kept from: writing outside its own folders, and signals to processes that are not its own.

Two walls stand one behind the other: Landlock of the Linux kernel (6.2 and newer; against signals 6.12 and newer),
which also holds for compiled code and for processes that the plugin starts, and an audit hook of Python, which stands
everywhere and names the path. They protect from mistakes; a plugin that means harm can still read every file of its
user.

Belongs here: the walls, put up by the process itself. Does not belong here: limits of time and memory
(`process_limits`). Linux's numbers are those of <linux/landlock.h> and of landlock(7).
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

from phenodose.sandbox.supervisor import descendants

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1
#: The version that can also refuse to cut a file short.
_TRUNCATE_VERSION = 3
#: The version that can also refuse signals.
_SIGNAL_VERSION = 6
_SCOPE_SIGNAL = 1 << 1
#: write_file, remove_dir, remove_file, make_char .. make_sym, refer, truncate.
_WRITES = (1 << 1) | sum(1 << bit for bit in range(4, 15))
_PR_SET_NO_NEW_PRIVS = 38
_OPENS_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Audit events that change files -> which of their arguments are paths, each with the folder that it is relative to.
_CHANGES = {
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.link": ((1, 3),),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.rmdir": ((0, 1),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.utime": ((0, 3),),
}


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


class RefusedWriteError(PermissionError):
    """An isolated plugin tried to change a file that is not its own."""


class RefusedSignalError(PermissionError):
    """An isolated plugin tried to send a signal to a process that is not its own."""


def write_only_into(*folders: Path) -> None:
    """Refuse this process every change of files outside some folders, and signals to processes that it did not start.

    Files are read as before.

    Threads that run already are not held by Landlock, so call it before libraries start theirs.
    """
    _put_up_landlock((*folders, Path("/dev")))
    own = (*(os.path.realpath(folder) + os.sep for folder in folders), "/dev/")

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("os.kill", "os.killpg"):
            target, number = arguments
            # Number 0 asks whether there is such a process.
            if number:
                _refuse_signal(target, event == "os.killpg")
            return
        if event == "open":
            _, mode, flags = arguments
            writes = bool(flags & _OPENS_TO_WRITE) if isinstance(flags, int) else set(mode or "") & set("wax+")
            paths = [(arguments[0], -1)] if writes else []
        else:
            places = _CHANGES.get(event, ())
            paths = [(arguments[path], -1 if folder is None else arguments[folder]) for path, folder in places]
        for path, folder in paths:
            if isinstance(path, int):
                continue
            full = os.path.realpath(_folder_of(folder) / os.fsdecode(path))
            if not (full + os.sep).startswith(own):
                raise RefusedWriteError(f"tried to change {full}")

    sys.addaudithook(refuse)


def _refuse_signal(target: int, is_group: bool) -> None:
    own = os.getpid()
    # 0 is the group of this process.
    if target in (own, 0) or (is_group and target == os.getpgrp()) or target in descendants(own):
        return
    raise RefusedSignalError(f"tried to send a signal to process {target}")


def _folder_of(handle: int) -> Path:
    """The folder that an open folder's handle stands for; the current one without a handle or without /proc."""
    try:
        return Path(f"/proc/self/fd/{handle}").readlink() if handle >= 0 else Path()
    except OSError:
        return Path()


def has_landlock() -> bool:
    """True if the kernel can refuse compiled code to write; else only what goes through Python is refused."""
    if sys.platform != "linux":
        return False
    return _landlock_version() >= _TRUNCATE_VERSION


def _landlock_version() -> int:
    return int(ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, _ASK_VERSION))


def _put_up_landlock(writable: tuple[Path, ...]) -> None:
    if not has_landlock():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    knows_signals = _landlock_version() >= _SIGNAL_VERSION
    attributes = _RulesetAttributes(_WRITES, 0, _SCOPE_SIGNAL if knows_signals else 0)
    # A kernel that does not know the later fields is not told of them.
    size = ctypes.sizeof(attributes) if knows_signals else ctypes.sizeof(ctypes.c_uint64)
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(attributes), size, 0)
    if ruleset < 0:
        return
    for folder in writable:
        place = os.open(folder, os.O_PATH | os.O_CLOEXEC)
        rule = _PathBeneath(_WRITES, place)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
        os.close(place)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
