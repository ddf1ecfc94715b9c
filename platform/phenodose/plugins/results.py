"""What an isolated plugin's results must look like, checked at the door.

Belongs here: one check a method of the contract, each a sentence on what is wrong. Does not belong here: how the
method was called (`isolation`) and the declarations of tables (`phenodose.tables`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_BOUNDS = {"=", "<", ">"}


def result_fault(method: str, arguments: Sequence[Any], result: Any, first: bool) -> str:
    """What is wrong with the result of a method, or '' if nothing.

    Args:
        method: name of the method.
        arguments: what it was given.
        result: what it gave.
        first: True for the first call, that of the screen's own data; a later one may be of draws.
    """
    if method == "score":
        return _scores_fault(arguments[0], result, first)
    if method in ("measure", "of_objects"):
        return _measured_fault(arguments[0], result)
    if method in ("embed", "embed_on"):
        wells = arguments[-1]
        return _places_fault(len(getattr(wells, "features", wells)), result)
    others: dict[str, Callable[[], str]] = {
        "find_objects": lambda: objects_fault(arguments[0].wells, result),
        "index": lambda: _index_fault(result),
        "read_plane": lambda: _plane_fault(arguments[-1], result),
        "in_place": lambda: _in_place_fault(arguments[0], result),
        "plate_metadata": lambda: _plate_metadata_fault(result),
        "compared_scorer": lambda: "" if isinstance(result, str) else f"named no scorer to compare: {result!r:.200}",
        "train": lambda: _record_fault(arguments[0], result),
        "infer": lambda: _inference_fault(len(arguments[1]), result),
        "read": lambda: _inference_fault(len(arguments[0].images), result),
        "expected": lambda: _of_pairs_fault(arguments[0], result),
        "expected_of_draws": lambda: _of_pairs_fault(arguments[0], result),
        "value": lambda: _of_matrix_fault(arguments[0], result),
    }
    return others[method]() if method in others else ""


def _of_pairs_fault(effects: Any, result: Any) -> str:
    # Late: few processes have dose matrices.
    from phenodose.combinations.effects import expected_fault

    return expected_fault(effects, result)


def _of_matrix_fault(effects: Any, result: Any) -> str:
    from phenodose.combinations.effects import value_fault

    return value_fault(effects, result)


def _scores_fault(curves: Any, result: Any, first: bool) -> str:
    from phenodose.plugins.scorers import Scores

    n = len(curves)
    if not isinstance(result, (Scores, np.ndarray)):
        return f"gave a {type(result).__name__} where `Scores` or an array of floats is meant"
    given = {"value": result} if isinstance(result, np.ndarray) else vars(result)
    for name, values in given.items():
        if values is not None and np.shape(values) != (n,):
            return f"gave the wrong columns: `{name}` has the shape {np.shape(values)}, meant is one a curve, ({n},)"
    for name in ("value", "published"):
        if given.get(name) is not None and np.asarray(given[name]).dtype.kind not in "fiu":
            return f"gave the wrong columns: `{name}` is {np.asarray(given[name]).dtype}, meant are floats"
    bounds = given.get("bound")
    if bounds is not None and (unknown := {str(each) for each in bounds} - _BOUNDS):
        return f"gave the wrong columns: `bound` holds {sorted(unknown)[0]!r}, meant are =, < and >"
    value, fitted = np.asarray(given["value"], dtype=np.float64), np.asarray(curves.fitted, dtype=bool)
    reasons = given.get("reason")
    reasoned = np.zeros(n, dtype=bool) if reasons is None else np.array([bool(each) for each in reasons], dtype=bool)
    if first and fitted.any() and not (np.isfinite(value) | reasoned)[fitted].any():
        return (
            f"gave NaN everywhere: none of {fitted.sum()} fitted curves has a score, and none a `reason`; name the "
            "reason in `Scores.reason` if there can be no score"
        )
    return ""


def _measured_fault(given: Any, result: Any) -> str:
    import pandas as pd

    of_files = isinstance(given, pd.DataFrame)
    columns = ["plate", "row", "column", "raw"] if of_files else ["well", "raw"]
    if not isinstance(result, pd.DataFrame):
        return f"gave a {type(result).__name__} where a DataFrame with {', '.join(columns)} is meant"
    missing = [name for name in columns if name not in result.columns]
    if missing:
        got = ", ".join(map(str, result.columns))
        return f"gave the wrong columns: {', '.join(missing)} missing among {got or 'none'}"
    if result["raw"].dtype.kind not in "fiu":
        return f"gave the wrong columns: `raw` is {result['raw'].dtype}, meant are floats"
    keys = result[columns[:-1]]
    if keys.duplicated().any():
        return f"gave the same well twice: {_first(keys[keys.duplicated()])}"
    if of_files:
        asked = given[columns[:-1]]
        foreign = ~pd.MultiIndex.from_frame(keys).isin(pd.MultiIndex.from_frame(asked))
        if foreign.any():
            return f"gave a well that it was not asked for: {_first(keys[foreign])}"
    if len(result) and not np.isfinite(result["raw"].to_numpy(dtype=np.float64)).any():
        return f"gave NaN everywhere: none of {len(result)} wells has a number"
    return ""


def objects_fault(wells: Sequence[str], result: Any) -> str:
    """What is wrong with the objects that a readout found on a plate of these wells, or '' if nothing."""
    import pandas as pd

    from phenodose.tables import OBJECT_COLUMNS

    if not isinstance(result, pd.DataFrame):
        return f"gave a {type(result).__name__} where a DataFrame with {', '.join(OBJECT_COLUMNS)} is meant"
    if missing := [name for name in OBJECT_COLUMNS if name not in result.columns]:
        got = ", ".join(map(str, result.columns))
        return f"gave the wrong columns: {', '.join(missing)} missing among {got or 'none'}"
    for name in OBJECT_COLUMNS[1:]:
        if len(result) and result[name].dtype.kind not in ("iu" if name in ("site", "object") else "fiu"):
            return f"gave the wrong columns: `{name}` is {result[name].dtype}, meant are numbers"
    unknown = ~result["well"].isin(list(wells))
    if unknown.any():
        return f"gave an object of a well that it was not asked for: {result.loc[unknown, 'well'].iloc[0]}"
    keys = result[["well", "site", "object"]]
    if keys.duplicated().any():
        return f"gave the same object twice: {_first(keys[keys.duplicated()])}"
    return ""


def _places_fault(n: int, result: Any) -> str:
    if not isinstance(result, np.ndarray) or result.shape != (n, 2):
        got = result.shape if isinstance(result, np.ndarray) else type(result).__name__
        return f"gave the wrong columns: {got}, meant is an array ({n}, 2) of x and y"
    if result.dtype.kind not in "fiu":
        return f"gave the wrong columns: {result.dtype}, meant are floats"
    if n and not np.isfinite(result).any():
        return f"gave NaN everywhere: none of {n} wells has a place"
    return ""


def _index_fault(result: Any) -> str:
    import pandas as pd

    from phenodose.plates.plane_index import PLANES

    if not isinstance(result, pd.DataFrame):
        return f"gave a {type(result).__name__} where an index of planes is meant; `planes_frame` makes one"
    if missing := [name for name in PLANES.column_names if name not in result.columns]:
        return f"gave the wrong columns: {', '.join(missing)} missing; `planes_frame` makes an index"
    for column in PLANES.columns:
        if column.required and result[column.name].isna().any():
            return f"gave the wrong columns: `{column.name}` is empty for some images"
    for path in result["path"].drop_duplicates():
        pure = PurePosixPath(str(path))
        if pure.is_absolute() or ".." in pure.parts:
            return f"names a file outside the raw folder: {path}"
    keys = result[list(PLANES.key)]
    if keys.duplicated().any():
        return f"gave the same image twice: {_first(keys[keys.duplicated()])}"
    return ""


def _plane_fault(plane: Any, result: Any) -> str:
    said = (plane.size_y_px, plane.size_x_px), str(plane.dtype)
    where = f"{plane.path}, well {plane.well}"
    if not isinstance(result, np.ndarray):
        return f"gave a {type(result).__name__} where the pixels of {where} are meant"
    if (result.shape, str(result.dtype)) != said:
        return f"gave {result.shape} {result.dtype} for {where}; its own index says {said[0]} {said[1]}"
    return ""


def _in_place_fault(folder: Path, result: Any) -> str:
    if result is None or (isinstance(result, Path) and result.resolve().is_relative_to(folder.resolve())):
        return ""
    return f"names a plate outside the raw folder: {result!r}"


def _record_fault(phase: Any, result: Any) -> str:
    from phenodose.training_records import TrainingRecord

    if not isinstance(result, TrainingRecord) or result.phase != phase.name or not result.weights_hash:
        return f"gave no `TrainingRecord` of the phase {phase.name} with the hash of its weights: {result!r:.200}"
    try:
        json.dumps(dataclasses.asdict(result))
    except (TypeError, ValueError) as error:
        return f"gave a `TrainingRecord` that JSON cannot hold: {error}"
    losses = [epoch["loss"] for epoch in result.history if "loss" in epoch]
    if losses and not np.isfinite(losses).any():
        return f"gave NaN everywhere: none of {len(losses)} epochs has a loss"
    return ""


def _inference_fault(n: int, result: Any) -> str:
    from phenodose.training_records import Inference

    if not isinstance(result, Inference):
        return f"gave a {type(result).__name__} where an `Inference` is meant"
    for name, values, dimensions in (("raw", result.raw, 1), ("features", result.features, 2)):
        if not isinstance(values, np.ndarray) or values.ndim != dimensions or len(values) != n:
            return f"gave the wrong columns: `{name}` has the shape {np.shape(values)} for {n} wells"
        if values.dtype.kind not in "fiu":
            return f"gave the wrong columns: `{name}` is {values.dtype}, meant are floats"
    for name, further in (("raw_sd", result.raw_sd), ("control_distance", result.control_distance)):
        if further is not None and (np.shape(further) != (n,) or np.asarray(further).dtype.kind not in "fiu"):
            return f"gave the wrong columns: `{name}` has the shape {np.shape(further)} for {n} wells"
    if n and not np.isfinite(result.raw).any():
        return f"gave NaN everywhere: none of {n} wells has a number"
    if (result.class_names is None) != (result.class_probability is None):
        return "gave one of `class_names` and `class_probability` without the other"
    names, chances = result.class_names, result.class_probability
    if names is not None and chances is not None and np.asarray(chances).shape != (n, len(names)):
        return (
            f"gave the wrong columns: `class_probability` has the shape {np.asarray(chances).shape} for {n} wells and "
            f"{len(names)} classes"
        )
    if result.class_unseen is not None and np.shape(result.class_unseen) != (n,):
        return f"gave the wrong columns: `class_unseen` has the shape {np.shape(result.class_unseen)} for {n} wells"
    return ""


def _plate_metadata_fault(result: Any) -> str:
    try:
        json.dumps(result)
    except (TypeError, ValueError) as error:
        return f"gave metadata that JSON cannot hold: {error}"
    return "" if isinstance(result, dict) else f"gave a {type(result).__name__} where a dict of metadata is meant"


def _first(rows: pd.DataFrame) -> str:
    return " ".join(str(value) for value in rows.iloc[0])
