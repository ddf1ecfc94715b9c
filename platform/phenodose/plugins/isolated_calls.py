"""Calls of one plugin's methods, in its worker: the handler that `phenodose.plugins.isolation` asks.

The first request describes the plugin; each other one is a call of a method, answered with the result. A call is looked
at for three faults that only show here: arguments that do not fit the method, an input that is another one afterwards,
and a second run that gives something else.

Requests and answers are values (`phenodose.sandbox.encoding`): nothing runs where they are read.

Belongs here: the worker's side. Does not belong here: what a result must look like (`phenodose.plugins.results`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import inspect
import os
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from phenodose import errors
from phenodose.errors import PluginError
from phenodose.sandbox.encoding import Carried, decode, encode
from phenodose.sandbox.process_limits import take_at_most
from phenodose.sandbox.write_protection import RefusedSignalError, RefusedWriteError

#: Work that took longer is not done a second time to see whether it gives the same.
REPEAT_SECONDS = 10.0
#: Results of two runs may differ by so much of themselves: threads add in another order.
_TOLERANCE = 1e-9
#: What is chosen of a plate after it was opened.
_OF_AN_OPEN_PLATE = ("name", "wells", "chosen_time", "chosen_site", "sites_together")


class Target(NamedTuple):
    """Which plugin the process is for.

    Attributes:
        kind: the plugin's kind.
        target: its class, 'module:name'.
        parameters: what it is made with.
        memory_bytes: memory that it may take beside its libraries.
        choices: `PluginChoices` of site.toml, as values of JSON: a scorer that asks another one finds it by that.
        limits: `PluginLimits` likewise.
    """

    kind: str
    target: str
    parameters: dict[str, Any]
    memory_bytes: int
    choices: dict[str, Any]
    limits: dict[str, Any]


def carried() -> tuple[Carried, ...]:
    """Classes that results are made of, beside plain values, arrays and tables."""
    import pandas as pd

    from phenodose.plates.packed_texts import PackedTexts
    from phenodose.plugins.scorers import Scores
    from phenodose.training_records import Inference

    def plain(texts: PackedTexts) -> list[str | None]:
        return [None if text is None else str(text) for text in texts]

    return (
        Carried(Scores, vars, lambda held: Scores(**held)),
        Carried(Inference, vars, lambda held: Inference(**held)),
        Carried(PackedTexts, plain, PackedTexts.of),
        Carried(type(pd.NA), lambda _: None, lambda _: pd.NA),
    )


def carried_to_plugins() -> tuple[Carried, ...]:
    """Classes that arguments are made of, beside those of results."""
    from phenodose.combinations.effects import PairEffects
    from phenodose.dose_response.curves import CurveBatch
    from phenodose.plates.external_plate import ExternalPlate
    from phenodose.plates.plate import Plate
    from phenodose.plates.virtual_plate import VirtualPlate
    from phenodose.plugins.embedders import WellFeatures
    from phenodose.training_records import TensorWells

    def declared(thing: Any) -> dict[str, Any]:
        return {each.name: getattr(thing, each.name) for each in dataclasses.fields(thing)}

    def tensor_wells(held: dict[str, Any]) -> TensorWells:
        return TensorWells(**{**held, "channels": tuple(held["channels"])})

    def of_plate(plate: Plate) -> dict[str, Any]:
        return {name: getattr(plate, name) for name in ("path", *_OF_AN_OPEN_PLATE)}

    def plate(held: dict[str, Any]) -> Plate:
        opened = Plate.open(held.pop("path"))
        for name, value in held.items():
            setattr(opened, name, value)
        return opened

    return (
        *carried(),
        Carried(CurveBatch, declared, lambda held: CurveBatch(**held)),
        Carried(PairEffects, declared, lambda held: PairEffects(**held)),
        Carried(TensorWells, declared, tensor_wells),
        Carried(WellFeatures, declared, lambda held: WellFeatures(**held)),
        Carried(Plate, of_plate, plate),
        Carried(ExternalPlate, of_plate, plate),
        Carried(VirtualPlate, of_plate, plate),
        Carried(SimpleNamespace, vars, lambda held: SimpleNamespace(**held)),
    )


def as_argument(value: Any) -> Any:
    """An argument as it can cross: a row of a table is an object with the same attributes."""
    return SimpleNamespace(**value._asdict()) if isinstance(value, tuple) and hasattr(value, "_asdict") else value


def may_raise(kind: str) -> tuple[type[Exception], ...]:
    """What a plugin may raise by its contract; anything else is a fault of the plugin."""
    return (errors.NotMade, errors.InputError) if kind == "reader" else (errors.NotMade,)


class PluginCalls:
    """The handler; its first request is a `Target`, the others [method, arguments]."""

    def __init__(self) -> None:
        self._target: Target | None = None
        self._plugin: Any = None
        self._parameters: Any = None
        self._calls = 0

    def __call__(self, request: bytes, tell: Callable[[bytes], None]) -> bytes:
        """Load the plugin, or call a method.

        Raises:
            PluginError: what is wrong with the plugin.
            PhenodoseError: what it may raise by its contract.
        """
        if self._target is None:
            self._load(request)
            return b""
        try:
            result = self._result(request)
        except may_raise(self._target.kind):
            raise
        except _Fault:
            raise
        except BaseException as error:
            raise _Fault(words_of(error)) from error
        try:
            return encode(result, carried())
        except Exception as error:
            raise _Fault(f"gave something that cannot be handed on: {error}") from error

    def _load(self, request: bytes) -> None:
        target = Target(*decode(request).value)
        # What it writes without a path lands where it may.
        os.chdir(tempfile.gettempdir())
        try:
            self._plugin = EntryPoint("", target.target, "").load()
        except BaseException as error:
            raise _Fault(words_of(error)) from error
        self._parameters = target.parameters
        self._target = target

    def _result(self, request: bytes) -> Any:
        assert self._target is not None
        method, arguments = self._asked(request)
        if self._calls == 0:
            take_at_most(self._target.memory_bytes)
        function = getattr(self._made(), method)
        try:
            inspect.signature(function).bind(*arguments)
        except TypeError as error:
            contract = ", ".join(type(argument).__name__ for argument in arguments)
            raise _Fault(
                f"has the wrong signature: {method}{inspect.signature(function)} is called with ({contract}): {error}"
            ) from error
        before, clock = fingerprint(arguments), time.monotonic()
        result = function(*arguments)
        if fingerprint(arguments) != before:
            raise _Fault(f"changes its input: what `{method}` was given is not the same afterwards; copy it")
        if self._calls == 0 and time.monotonic() - clock < REPEAT_SECONDS:
            again = getattr(self._made(), method)(*self._asked(request)[1])
            if not same(result, again):
                raise _Fault(
                    f"is not deterministic: `{method}` gave two results for one input; make random numbers "
                    "from a seed that is a parameter"
                )
        self._calls += 1
        return result

    @staticmethod
    def _asked(request: bytes) -> tuple[str, tuple[Any, ...]]:
        method, arguments = decode(request, carried_to_plugins()).value
        return method, tuple(arguments)

    def _made(self) -> Any:
        from phenodose.plugins import PluginChoices, SelectiveScorer, registry
        from phenodose.settings.plugin_limits import PluginLimits

        assert self._target is not None
        if issubclass(self._plugin, SelectiveScorer):
            choices = PluginChoices.model_validate(self._target.choices)
            limits = PluginLimits.model_validate(self._target.limits)
            return registry(choices, limits).make(self._plugin, self._parameters)
        return self._plugin(self._parameters)


class _Fault(PluginError):
    """What is wrong with a plugin; the caller adds which plugin it is."""


def words_of(error: BaseException) -> str:
    """What went wrong, in words, and where; the whole traceback goes to the step's output."""
    with contextlib.suppress(Exception):
        # The plugin may have closed it.
        traceback.print_exception(error)
    if isinstance(error, MemoryError):
        return "takes too much memory: it asked for more than there is for it"
    if isinstance(error, RefusedSignalError):
        return f"ends what is not its own: it {error}"
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
