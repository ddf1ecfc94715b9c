"""Which process it is that did something, and whether it is still there.

A process id is given again, after a restart of the machine or in a container, where it may always be 1. So a process is
named by its id, when it was started, in which system of ids, and in which start of the machine; and where it matters,
it holds a lock of the operating system for as long as it lives, which no other process can be mistaken for.

Belongs here: names of processes, and the lock of a life. Does not belong here: locks of things (`locks`).
"""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

#: File systems of which only one running system has the files, so that a lock that is free is free for all.
_OF_ONE_MACHINE = ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlay", "apfs", "hfs", "bcachefs")

#: File systems whose files lie on another machine, as Linux names them.
_OF_A_NETWORK = (
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "beegfs", "gpfs", "pvfs2"),
    *("glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.ceph-fuse", "fuse.s3fs", "fuse.mount-s3", "fuse.moosefs"),
)


class Process(NamedTuple):
    """A process.

    Attributes:
        computer: name of the computer.
        number: process id.
        boot: which start of the machine; '' where the system does not tell.
        numbers: which system of process ids, of which every container has its own; '' likewise.
        began: when the process was started, in ticks since the machine was; '' likewise.
    """

    computer: str
    number: int
    boot: str = ""
    numbers: str = ""
    began: str = ""

    @classmethod
    def this(cls) -> Process:
        """This process."""
        number = os.getpid()
        return cls(platform.node(), number, boot(), _numbers(), _began(number))

    def text(self) -> str:
        """As one line, for `read`."""
        return "|".join(map(str, self))

    @classmethod
    def read(cls, text: str) -> Process | None:
        """What `text` wrote; None if it is nothing of the kind."""
        parts = text.split("|")
        if len(parts) != len(cls._fields) or not parts[1].isdecimal():
            return None
        return cls(parts[0], int(parts[1]), *parts[2:])

    def is_gone(self) -> bool | None:
        """Whether it has ended; None if that cannot be seen from here."""
        if self.computer != platform.node():
            return None
        if self.boot and self.boot != boot():
            # Another start of this machine; or another machine of the same name, of which nothing is known.
            return None
        if self.numbers and self.numbers != _numbers():
            return None
        if not is_alive(self.number):
            return True
        began = _began(self.number)
        return bool(self.began and began and self.began != began)


def is_alive(number: int) -> bool:
    """Whether there is a process of this id."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextmanager
def life(folder: Path) -> Iterator[str]:
    """Show that this process lives, by a lock in a folder, while the block runs; gives the lock's name for `ended`."""
    import filelock

    folder.mkdir(parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    lock = filelock.FileLock(folder / name)
    lock.acquire()
    try:
        yield name
    finally:
        with suppress(OSError):
            (folder / name).unlink()
        lock.release()


def ended(folder: Path, name: str, process: Process | None = None) -> bool | None:
    """Whether the process that `life` gave this name to has ended; None if that cannot be seen from here.

    Args:
        folder: the folder of its lock.
        name: the lock's name.
        process: the process; if nothing but its lock is known, None.
    """
    import filelock

    path = folder / name
    if len(name) != 32 or not name.isalnum() or not path.is_file():
        return None if process is None else process.is_gone()
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return False
    except OSError:
        return None if process is None else process.is_gone()
    lock.release()
    # A file server may not know the locks of its other clients.
    same_machine = process is not None and (process.computer == platform.node() or process.boot == boot() != "")
    return True if same_machine or is_of_one_machine(folder) else None


def forget(folder: Path, name: str) -> None:
    """Remove the lock of a process that has ended."""
    if len(name) == 32 and name.isalnum():
        with suppress(OSError):
            (folder / name).unlink()


def boot() -> str:
    """Which start of the machine this is; '' where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _numbers() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _began(number: int) -> str:
    """When a process was started, in ticks since the machine was; '' if that cannot be seen."""
    try:
        return Path(f"/proc/{number}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_of_one_machine(folder: Path) -> bool:
    """Whether the files of a folder are seen by one running system alone, so that its locks hold for all who see them.

    A system that does not tell is taken for one that is alone.
    """
    kind = file_system(folder)
    return kind is None or kind in _OF_ONE_MACHINE


def is_on_network(folder: Path) -> bool:
    """Whether the files of a folder, or of where it would be made, lie on a file server as far as the system tells."""
    return file_system(folder) in _OF_A_NETWORK


def file_system(folder: Path) -> str | None:
    """The kind of file system that a folder lies in, such as 'ext4'; None where the system does not tell."""
    try:
        lines = _mounts()
    except OSError:
        return None
    full = Path(os.path.realpath(folder))
    best = ("", "")
    for line in lines:
        place, kind = line.split(" ")[1:3]
        place = place.replace("\\040", " ")
        if full.is_relative_to(place) and len(place) >= len(best[0]):
            best = (place, kind)
    return best[1]


def _mounts() -> list[str]:
    """What is mounted, a line each: what, where, kind, options."""
    return Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
