"""What a machine refuses: a full disk, a folder that may not be written, too many open files, no memory left.

None of these is a fault of the program, and whoever runs it can mend each. Libraries wrap what the operating system
says in errors of their own (DuckDB, SQLite, pyarrow, zarr, h5py, TensorFlow), or tell it as text alone.

Belongs here: recognising such errors and saying them in one sentence. Does not belong here: the clients of object
stores (`places`), and what a step does about a fault.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator

from phenodose.errors import PhenodoseError, StoreError
from phenodose.io.files import where_it_goes
from phenodose.io.places import client_fault

_ROOM = "the disk is full", "make room there, then run the same command again"
_QUOTA = "the disk quota is used up", "make room or ask for more, then run the same command again"
_READ_ONLY = "the disk is mounted read-only", "mount it for writing, or name another place, then run this again"
_RIGHTS = "this user may not do that there", "give the user the right to the file and its folder, or name another place"
_MEMORY = "the machine has no memory left", "end other programs, or take a larger machine, then run this again"
_OPEN = "too many files are open", "raise the limit (`ulimit -n`) or end other programs, then run this again"
_DISK = "the disk is full or does not answer", "look at the disk and its connection, then run this again"
_NAME = "the file system does not take this place", "look at the path and what lies there, or name another place"
_PROCESSES = "the machine starts no more processes", "end other programs or raise the limit (`ulimit -u`)"

#: SQLite does not say why it cannot open or write its files.
_DATABASE = -1
#: What is said of an error of the operating system, and what helps.
_SAID = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _QUOTA,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ENOMEM: _MEMORY,
    errno.EMFILE: _OPEN,
    errno.ENFILE: _OPEN,
    errno.EAGAIN: _PROCESSES,
    _DATABASE: (
        "a database there cannot be opened or written",
        "look whether the disk is full, mounted read-only or closed to this user, then run this again",
    ),
    **dict.fromkeys((errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.EHOSTDOWN), _DISK),
    **dict.fromkeys((errno.ETIMEDOUT, errno.ENOLCK, errno.EBUSY, errno.EREMOTEIO, errno.EOPNOTSUPP), _DISK),
    **dict.fromkeys((errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EFBIG, errno.EXDEV), _NAME),
}
#: The same as libraries write it, most telling first.
_WRITTEN = (
    *(
        (os.strerror(number), number)
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE)
    ),
    ("No space left", errno.ENOSPC),
    ("database or disk is full", errno.ENOSPC),
    ("readonly database", _DATABASE),
    ("unable to open database file", _DATABASE),
    ("disk I/O error", _DATABASE),
    (os.strerror(errno.ENOMEM), errno.ENOMEM),
    (os.strerror(errno.EACCES), errno.EACCES),
    (os.strerror(errno.EIO), errno.EIO),
    ("can't start new thread", errno.EAGAIN),
)
#: Python says so where no folder for temporary files takes any.
_NO_PLACE = "No usable temporary directory"
#: numpy tells a write that came to no end by numbers of items.
_CUT_SHORT = re.compile(r"\b\d+ requested and \d+ written\b")
#: Libraries whose errors tell what the operating system said as text.
_LIBRARIES = ("duckdb", "_duckdb", "sqlite3", "sqlalchemy", "pyarrow", "zarr", "numcodecs", "h5py", "tensorflow", "PIL")
_OUT_OF_MEMORY = ("OutOfMemoryException", "ArrowMemoryError", "ResourceExhaustedError", "bad_alloc")


def fault_of_surroundings(error: BaseException, where: object) -> StoreError | None:
    """What the user can do about an error that the machine or the object store made; None if it is another error.

    Args:
        error: as it was raised, by whichever library.
        where: what was worked on, named where the error names no file.
    """
    found = client_fault(error, where) if isinstance(error, Exception) else None
    return found or machine_fault(error, where)


def machine_fault(error: BaseException, where: object) -> StoreError | None:
    """One sentence on a state of the machine that ended the work; None if it is another error."""
    for one in _chain(error):
        number = _number(one)
        if number is not None:
            what, remedy = _SAID[number]
            place = where_it_goes(str(getattr(one, "filename", None) or where))
            said = os.strerror(number) if number != _DATABASE else str(one).splitlines()[0]
            return StoreError(f"{place}: {what} ({said}); {remedy}.")
    return None


def machine_fault_in(text: str, where: object) -> StoreError | None:
    """The same of an error that is known by its text alone, as another process has told it."""
    line = next((line for line in text.splitlines() if _number_in(line) is not None), "")
    return machine_fault(RuntimeError(line.strip()), where) if line else None


def is_of_one_file(error: BaseException) -> bool:
    """Whether a fault of the machine is one of a single file, such as its permissions, while others can be read."""
    numbers = (_number(one) for one in _chain(error))
    first = next((number for number in numbers if number is not None), None)
    return first is None or _SAID[first] in (_RIGHTS, _DISK, _NAME)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came of, for as long as nobody has said it in words of ours."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen and not isinstance(error, PhenodoseError):
        seen.add(id(error))
        yield error
        wraps = isinstance(error, (OSError, RuntimeError)) or _library_of(error) in (*_LIBRARIES, "dagster", "filelock")
        error = error.__cause__ or (error.__context__ if wraps and not error.__suppress_context__ else None)


def _number(error: BaseException) -> int | None:
    """The number of the operating system's error; None if it is none of those that are told."""
    if isinstance(error, OSError) and error.errno is not None:
        if error.errno in _SAID and not isinstance(error, ConnectionError):
            return error.errno
        # Others of the operating system are told elsewhere, or are bugs.
        return errno.ENOSPC if _NO_PLACE in str(error) else None
    kind = type(error)
    if isinstance(error, MemoryError) or kind.__name__ in _OUT_OF_MEMORY:
        return errno.ENOMEM
    told = _library_of(error) in _LIBRARIES or isinstance(error, (OSError, RuntimeError))
    return _number_in(str(error)) if told else None


def _library_of(error: BaseException) -> str:
    return (type(error).__module__ or "").partition(".")[0]


def _number_in(text: str) -> int | None:
    if _CUT_SHORT.search(text):
        return errno.ENOSPC
    return next((number for words, number in _WRITTEN if words in text), None)
