"""Making the next thing while the last one is used.

Belongs here: that, for whatever is read or augmented. Does not belong here: what is made.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(items: Iterator[Item]) -> Generator[Item]:
    """The same items in the same order; one thread makes the next while the last one is in use.

    Close it (`contextlib.closing`) if its end may not be reached.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = thread.submit(next, items)
        while True:
            try:
                item = coming.result()
            except StopIteration:
                return
            coming = thread.submit(next, items)
            yield item
