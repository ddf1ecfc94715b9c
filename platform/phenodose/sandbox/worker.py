"""The process in which one guarded plugin works; started by `phenodose.sandbox.plugin_process`.

It reads a description of the plugin, then calls of its methods, and answers each with the result or with what went
wrong in words. A call is looked at for three faults that only show here: arguments that do not fit the method, an
input that is another one afterwards, and a second run that gives something else.

Belongs here: the child's side of the guard. Does not belong here: what a result must look like
(`phenodose.sandbox.results`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import pickle
import signal
import sys
import time
import traceback
from importlib.metadata import EntryPoint
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from phenodose import errors
from phenodose.sandbox.isolation import RefusedWriteError, end_with_parent, take_at_most, write_only_into
from phenodose.sandbox.messages import Answer, Order

#: Work that took longer is not done a second time to see whether it gives the same.
REPEAT_SECONDS = 10.0
#: Results of two runs may differ by so much of themselves: threads add in another order.
_TOLERANCE = 1e-9
#: What a plugin may raise by its contract, by its kind; anything else is a fault of the plugin.
_MAY_RAISE: dict[str, tuple[str, ...]] = {"reader": ("InputError",)}


def main() -> None:
    """Work until the connection closes."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(int(sys.argv[1]))
    order: Order = pickle.loads(connection.recv_bytes())
    write_only_into(Path(order.scratch))
    sys.path[:] = order.sys_path
    try:
        plugin = EntryPoint("", order.target, "").load()
        parameters = pickle.loads(order.parameters)
    except BaseException as error:
        connection.send_bytes(pickle.dumps(Answer(fault=words_of(error))))
        return
    connection.send_bytes(pickle.dumps(Answer()))
    calls = 0
    while True:
        try:
            call = connection.recv_bytes()
        except EOFError:
            return
        answer = _answer(plugin, order, parameters, call, calls == 0)
        try:
            content = pickle.dumps(answer)
        except Exception as error:
            content = pickle.dumps(Answer(fault=f"gave something that cannot be handed on: {error}"))
        connection.send_bytes(content)
        calls += 1


def _answer(plugin: type[Any], order: Order, parameters: Any, call: bytes, first: bool) -> Answer:
    try:
        method, arguments = pickle.loads(call)
        if first:
            take_at_most(order.memory_bytes)
        function = getattr(_made(plugin, order, parameters), method)
        try:
            inspect.signature(function).bind(*arguments)
        except TypeError as error:
            contract = ", ".join(type(argument).__name__ for argument in arguments)
            return Answer(
                fault=f"has the wrong signature: {method}{inspect.signature(function)} is called with ({contract}): "
                f"{error}"
            )
        before, clock = fingerprint(arguments), time.monotonic()
        result = function(*arguments)
        if fingerprint(arguments) != before:
            return Answer(fault=f"changes its input: what `{method}` was given is not the same afterwards; copy it")
        if first and time.monotonic() - clock < REPEAT_SECONDS:
            again = getattr(_made(plugin, order, parameters), method)(*pickle.loads(call)[1])
            if not same(result, again):
                return Answer(
                    fault=f"is not deterministic: `{method}` gave two results for one input; make random numbers "
                    "from a seed that is a parameter"
                )
        return Answer(result)
    except BaseException as error:
        for name in ("NotMade", *_MAY_RAISE.get(order.kind, ())):
            if isinstance(error, getattr(errors, name)):
                return Answer(raised=name, message=str(error))
        return Answer(fault=words_of(error))


def _made(plugin: type[Any], order: Order, parameters: Any) -> Any:
    from phenodose.plugins import SelectiveScorer, registry

    return registry(*order.site).make(plugin, parameters) if issubclass(plugin, SelectiveScorer) else plugin(parameters)


def words_of(error: BaseException) -> str:
    """What went wrong, in words, and where; the whole traceback goes to the step's output."""
    traceback.print_exception(error)
    if isinstance(error, MemoryError):
        return "takes too much memory: it asked for more than there is for it"
    if isinstance(error, RefusedWriteError):
        return f"writes where it must not: it {error}; it may write into its temporary folder only"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"raised {type(error).__name__}: {error}{where}"


def fingerprint(thing: Any) -> str:
    """A hash of the arrays, tables and plain values that something holds; other objects count for nothing."""
    digest = hashlib.blake2b(digest_size=16)
    _add(digest, thing)
    return digest.hexdigest()


def _add(digest: Any, thing: Any) -> None:
    import numpy as np
    import pandas as pd

    if isinstance(thing, np.ndarray):
        digest.update(f"{thing.dtype}{thing.shape}".encode())
        digest.update(repr(thing.tolist()).encode() if thing.dtype == object else np.ascontiguousarray(thing).tobytes())
    elif isinstance(thing, pd.DataFrame):
        _add(digest, [str(name) for name in thing.columns])
        digest.update(pd.util.hash_pandas_object(thing).to_numpy().tobytes())
    elif dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        for each in dataclasses.fields(thing):
            # What a plate or a batch remembers of what it was asked is no change of it.
            if not each.name.startswith("_"):
                _add(digest, getattr(thing, each.name))
    elif isinstance(thing, (tuple, list)):
        for each in thing:
            _add(digest, each)
    elif isinstance(thing, dict):
        _add(digest, list(thing.items()))
    elif thing is None or isinstance(thing, (str, int, float)):
        digest.update(repr(thing).encode())


def same(one: Any, other: Any) -> bool:
    """True if two results say the same, numbers up to the order of their additions."""
    import numpy as np
    import pandas as pd

    if dataclasses.is_dataclass(one) and type(one) is type(other):
        return all(same(getattr(one, each.name), getattr(other, each.name)) for each in dataclasses.fields(one))
    if isinstance(one, pd.DataFrame) and isinstance(other, pd.DataFrame):
        return list(one.columns) == list(other.columns) and all(
            same(one[name].to_numpy(), other[name].to_numpy()) for name in one.columns
        )
    first, second = np.asarray(one), np.asarray(other)
    if first.shape != second.shape:
        return False
    if first.dtype.kind in "fc" and second.dtype.kind in "fc":
        return bool(np.allclose(first, second, rtol=_TOLERANCE, atol=0, equal_nan=True))
    return repr(first.tolist()) == repr(second.tolist())


if __name__ == "__main__":
    main()
