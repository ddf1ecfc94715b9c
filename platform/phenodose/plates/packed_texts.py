"""Many long texts that resemble each other, kept small: the instrument's tags of every plane of a plate.

A plate has tens of thousands of planes with kilobytes of tags each, nearly the same ones. As plain texts they would be
most of an ingest's memory, and so in a dictionary-encoded column: height and time make every one of them different.
Each is compressed as soon as it is read, on the pattern of the first, and is a plain text again when it is asked for.

Belongs here: packing, and the pandas column of packed texts. Does not belong here: what the texts say.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype, take

_FAST = 1


class PackedText:
    """One text; `str` unpacks it."""

    __slots__ = ("_packed", "_pattern")

    def __init__(self, packed: bytes, pattern: bytes) -> None:
        self._packed = packed
        self._pattern = pattern

    def __str__(self) -> str:
        unpacker = zlib.decompressobj(zdict=self._pattern)
        return (unpacker.decompress(self._packed) + unpacker.flush()).decode()


class TextPacker:
    """Packs texts that resemble each other; the first is the pattern of all. Threads may share one."""

    def __init__(self) -> None:
        self._pattern = b""

    def pack(self, text: str) -> PackedText:
        """The text in a tenth of its memory or less, if it resembles the first one."""
        plain = text.encode()
        self._pattern = self._pattern or plain
        pattern = self._pattern
        packer = zlib.compressobj(_FAST, zdict=pattern)
        return PackedText(packer.compress(plain) + packer.flush(), pattern)


class PackedTextType(ExtensionDtype):
    """The type of a column of packed texts."""

    name = "packed-text"
    type = str
    na_value = None

    @classmethod
    def construct_array_type(cls) -> Any:
        """The array of this type."""
        return PackedTexts


class PackedTexts(ExtensionArray):
    """A column whose values are texts or None and are unpacked one by one when they are asked for."""

    def __init__(self, texts: np.ndarray) -> None:
        """Take the texts as they are: objects of `PackedText`, or None."""
        self._texts = texts

    @classmethod
    def of(cls, texts: Iterable[PackedText | str | None]) -> PackedTexts:
        """A column of these texts; plain ones are packed, and what pandas takes for empty becomes None."""
        packer = TextPacker()
        given = list(texts)
        packed = np.empty(len(given), dtype=object)
        for place, text in enumerate(given):
            if isinstance(text, PackedText):
                packed[place] = text
            elif isinstance(text, str):
                packed[place] = packer.pack(text)
        return cls(packed)

    @classmethod
    def _from_sequence(cls, scalars: Any, *, dtype: Any = None, copy: bool = False) -> PackedTexts:
        return cls.of(scalars)

    @classmethod
    def _from_factorized(cls, values: Any, original: PackedTexts) -> PackedTexts:
        return cls.of(values)

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence[PackedTexts]) -> PackedTexts:
        return cls(np.concatenate([column._texts for column in to_concat]))

    @property
    def dtype(self) -> PackedTextType:
        """The column's type."""
        return PackedTextType()

    @property
    def nbytes(self) -> int:
        """Number of bytes of the references alone, as pandas counts columns of objects."""
        return int(self._texts.nbytes)

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, item: Any) -> Any:
        found = self._texts[pd.api.indexers.check_array_indexer(self, item)]
        if isinstance(found, np.ndarray):
            return PackedTexts(found)
        return None if found is None else str(found)

    def __eq__(self, other: object) -> Any:
        if isinstance(other, pd.Series | pd.Index | pd.DataFrame):
            return NotImplemented
        texts = self.astype(object)
        return texts == (other.astype(object) if isinstance(other, PackedTexts) else other)

    def isna(self) -> np.ndarray:
        """Where there is no text."""
        return np.fromiter((text is None for text in self._texts), bool, len(self))

    def take(self, indices: Any, *, allow_fill: bool = False, fill_value: Any = None) -> PackedTexts:
        """The texts at some places; those of -1 are empty with `allow_fill`."""
        places = np.asarray(indices)
        taken = np.asarray(take(self._texts, places, allow_fill=allow_fill, fill_value=None), dtype=object)
        if allow_fill:
            taken[places == -1] = None  # pandas fills an empty column with NaN whatever it is told
        return PackedTexts(taken)

    def copy(self) -> PackedTexts:
        """A column of its own with the same texts."""
        return PackedTexts(self._texts.copy())
