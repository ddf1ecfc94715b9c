"""Sealed files: a file that holds the hash of all its other bytes, so that neither can be there without the other.

The seal is a text, 32 hexadecimal digits of xxh3-128 between two marks, in a place that the file's format leaves free,
behind everything that a user can name: the metadata of a Parquet file, the comment of a zip file, an attribute of a
JSON document. The hash is that of the file with 32 zeros in place of the digits. So file and hash are written in one
move, whoever copies the file copies both, and every program reads it as before. A file with one of the marks alone has
changed; one without a seal was made by an older version or by another program.

Belongs here: sealing bytes, checking them. Does not belong here: folders of files (`phenodose.io.zarr_groups`), what
the files mean, which formats there are.
"""

from __future__ import annotations

from pathlib import Path

from phenodose.errors import StoreError
from phenodose.io.files import hash_bytes
from phenodose.io.places import read_bytes

_MARK, _END = b"phenodose-xxh3:", b":phenodose-seal"
_ZEROS = b"0" * 32
#: What stands in a file that is about to be sealed, once.
OPEN_SEAL = (_MARK + _ZEROS + _END).decode()


def sealed(content: bytes) -> bytes:
    """The bytes of a file in which `OPEN_SEAL` stands, with the seal in its place."""
    at = content.rindex(OPEN_SEAL.encode()) + len(_MARK)
    return content[:at] + hash_bytes(content).encode() + content[at + len(_ZEROS) :]


def seal_of(content: bytes) -> str:
    """The digits that a file's seal holds, right or wrong; '' if it has none."""
    at = _digits(content)
    return "" if at is None else content[at : at + len(_ZEROS)].decode("latin-1")


def is_changed(content: bytes) -> bool:
    """Whether a sealed file holds other bytes than when it was written; False for one without a seal."""
    at = _digits(content)
    if at is None:
        return False
    end = at + len(_ZEROS)
    view = memoryview(content)
    whole = content[max(0, at - len(_MARK)) : at] == _MARK and content[end : end + len(_END)] == _END
    return not whole or content[at:end] != hash_bytes(view[:at], _ZEROS, view[end:]).encode()


def _digits(content: bytes) -> int | None:
    """Where the digits of a file's seal begin, by what stands before or behind them; None if it has no seal."""
    at = content.rfind(_MARK)
    if at >= 0:
        return at + len(_MARK)
    end = content.rfind(_END)
    return None if end < 0 else max(0, end - len(_ZEROS))


def check_seal(content: bytes, where: object, remedy: str) -> None:
    """Refuse a sealed file that has changed since it was written.

    Args:
        content: all bytes of the file.
        where: the file, for the message.
        remedy: how it is made again, as the end of a sentence.

    Raises:
        StoreError: the bytes are not those that the seal is of.
    """
    if is_changed(content):
        raise StoreError(
            f"{where}: its bytes have changed since phenodose wrote it (damaged, or edited elsewhere); {remedy}."
        )


def read_sealed(path: Path, remedy: str) -> bytes | None:
    """A file's bytes, checked against its seal; None if there is no such file.

    Raises:
        StoreError: the file has changed since it was written.
    """
    content = read_bytes(path)
    if content is not None:
        check_seal(content, path, remedy)
    return content
