"""In what two states of a screen differ, by name: verdict, scores, calls, wells, inputs, decisions, plugins.

Belongs here: finding differences, and the sentences on them. Does not belong here: two screens side by side
(`comparison`), pages (`phenodose.reports.amendment`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from phenodose.io.files import hash_bytes
from phenodose.io.frames import rows_of
from phenodose.io.places import read_bytes
from phenodose.pipeline.reference_samples import cohort_scores
from phenodose.screens.external_inputs import input_of, is_watched, name_of
from phenodose.settings.site import SITE_NAME
from phenodose.signing.snapshot import drugs_of
from phenodose.signing.state import ScreenState, call_of
from phenodose.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

#: What is told of a sample; the other kinds are of the whole screen.
OF_SAMPLE = ("verdict", "scores", "calls", "wells", "left_out", "decisions")
#: Made anew whenever it is asked for.
_REPORT = "patient_report"
#: Differences of scores that are rounding and no change.
_SAME = 1e-9
_NAMED = 12
_WELL = ("sample", "well_type", "treatment", "concentration_nM", "replicate", "add_on", "add_on_concentration_nM")


@dataclass(frozen=True)
class Changed:
    """Something that was one thing and is another: plain values, None where there was or is nothing."""

    what: str
    was: Any
    now: Any


@dataclass
class Differences:
    """What changed from one state of a screen to another.

    Attributes:
        verdict: level and words, and the readout that ranks.
        scores: pooled scores by 'readout, drug', each with score, lower, upper and call.
        calls: of the ranking readout, by drug.
        wells: what wells of the layout hold, by plate and well.
        left_out: wells that are masked, by readout, plate and well: the reason.
        inputs: raw files, plates, networks, settings, reference samples, by name.
        decisions: of people who curated the screen.
        plugins: plugins, versions and parameters by step.
        products: steps whose product is another one, where nothing above says it.
    """

    verdict: list[Changed] = field(default_factory=list)
    scores: list[Changed] = field(default_factory=list)
    calls: list[Changed] = field(default_factory=list)
    wells: list[Changed] = field(default_factory=list)
    left_out: list[Changed] = field(default_factory=list)
    inputs: list[Changed] = field(default_factory=list)
    decisions: list[Changed] = field(default_factory=list)
    plugins: list[Changed] = field(default_factory=list)
    products: list[Changed] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """Everything as plain values, kinds without a change left out."""
        return {kind: changes for kind, changes in asdict(self).items() if changes}

    def sentences(self) -> list[str]:
        """What changed, in words; long lists are cut with their number."""
        return list(_sentences(self))

    def only(self, kinds: Collection[str]) -> Differences:
        """The changes of some kinds."""
        return Differences(**{kind.name: getattr(self, kind.name) for kind in fields(self) if kind.name in kinds})

    def without(self, kinds: Collection[str]) -> Differences:
        """The changes of all other kinds."""
        return self.only([kind.name for kind in fields(self) if kind.name not in kinds])


def differences(was: ScreenState, now: ScreenState) -> Differences:
    """What changed from one state of a screen to another.

    Raises:
        StoreError: a file of a table is damaged.
    """
    scores = list(_scores(was, now))
    products = list(_between(_products(was), _products(now)))
    return Differences(
        verdict=list(_between(_verdict(was), _verdict(now))),
        scores=scores,
        calls=list(_between(was.calls, now.calls)),
        wells=list(_between(_wells(was), _wells(now))),
        left_out=list(_between(_left_out(was), _left_out(now))),
        inputs=list(_between(_inputs(was), _inputs(now))),
        decisions=list(_between(_decisions(was), _decisions(now))),
        plugins=list(_between(_plugins(was), _plugins(now))),
        products=products,
    )


def _between(was: dict[str, Any], now: dict[str, Any]) -> Iterator[Changed]:
    for what in [*was, *(name for name in now if name not in was)]:
        if was.get(what) != now.get(what):
            yield Changed(what, was.get(what), now.get(what))


def _verdict(state: ScreenState) -> dict[str, Any]:
    ranked_by = " ".join(reversed(state.ranked_by)) if state.ranked_by else None
    return {"verdict": state.verdict.level, "reason": state.verdict.words, "drugs are ranked by": ranked_by}


def _scores(was: ScreenState, now: ScreenState) -> Iterator[Changed]:
    before, after = _pooled(was), _pooled(now)
    for what in [*before, *(name for name in after if name not in before)]:
        one, other = before.get(what), after.get(what)
        if one is None or other is None or not _same(one, other):
            yield Changed(what, one, other)


def _pooled(state: ScreenState) -> dict[str, dict[str, Any]]:
    """Pooled scores of the ranking scorer by readout and drug, in order of readouts and rank."""
    if state.ranked_by is None:
        return {}
    several = len(state.samples) > 1
    found = {}
    for readout in state.readouts:
        rows = state.pooled(readout, state.ranked_by[1]).sort_values(["score", "drug"], ascending=[False, True])
        for row in rows_of(rows):
            whose = f" in {row.sample}" if several else ""
            values = {name: _number(getattr(row, name)) for name in ("score", "lower", "upper")}
            found[f"{readout}, {row.drug}{whose}"] = values | {"call": call_of(row), "status": row.status}
    return found


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    def near(a: Any, b: Any) -> bool:
        if isinstance(a, float) and isinstance(b, float):
            return abs(a - b) <= _SAME * max(1.0, abs(a), abs(b))
        return bool(a == b)

    return all(near(one[name], other[name]) for name in one)


def _number(value: Any) -> float | None:
    return None if value is None or value != value else float(value)


def _wells(state: ScreenState) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in rows_of(state["wells"].sort_values(["plate", "row", "column"])):
        held = {name: getattr(row, name) for name in _WELL}
        known = {name: value for name, value in held.items() if value is not None and value == value}
        found[f"{row.plate} {row.well}"] = ", ".join(
            f"{value:g} nM" if name.endswith("_nM") else str(value) for name, value in known.items()
        )
    return found


def _left_out(state: ScreenState) -> dict[str, Any]:
    rows = state["viability"]
    rows = rows[rows["masked"].eq(True).astype(bool)].sort_values(["readout", "plate", "row", "column"])
    return {
        f"{row.readout}, {row.plate} {row.well}": row.mask_reason
        if isinstance(row.mask_reason, str)
        else "no reason given"
        for row in rows_of(rows)
    }


def _inputs(state: ScreenState) -> dict[str, Any]:
    versions: dict[str, set[str]] = {}
    layout: set[str] = set()
    for run in rows_of(state["runs"]):
        if run.asset == _REPORT:
            continue
        for key, version in _parsed(run.made_from).items():
            if is_watched(key):
                versions.setdefault(key, set()).add(str(version))
        if run.asset == "layout":
            layout |= {name for name in _parsed(run.inputs) if "." in name}
    found: dict[str, Any] = {
        name_of(input_of(key, False), sorted(layout)): " ".join(sorted(of_key)) for key, of_key in versions.items()
    }
    found |= {f"images of plate {row.plate}": row.raw_hash for row in rows_of(state["plates"].sort_values("plate"))}
    networks = state["checkpoints"].sort_values(["readout", "phase"])
    found |= {f"network {row.readout} {row.phase}": row.weights_hash for row in rows_of(networks)}
    return dict(sorted(found.items())) | {
        SITE_NAME: _text(read_bytes(state.store.root / SITE_NAME)),
        "scores of other samples": _reference(state),
    }


def _reference(state: ScreenState) -> str | None:
    """The screens behind the ranking's bars, with their scores."""
    if state.ranked_by is None:
        return None
    rows = cohort_scores(state.store, state.screen, *state.ranked_by)
    rows = rows[rows["drug"].isin(drugs_of(state.store, state.screen))]
    screens = [f"{screen} ({_digest(of_one)})" for screen, of_one in rows.groupby("screen")]
    return ", ".join(screens) or None


def _digest(rows: pd.DataFrame) -> str:
    return hash_bytes(rows.sort_values(["sample", "drug"]).to_csv(index=False).encode())[:8]


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")


def _decisions(state: ScreenState) -> dict[str, Any]:
    """Curations, in words, by number."""
    if "curations" not in TABLES:
        return {}
    found: dict[str, Any] = {}
    for row in state["curations"].sort_values("number").to_dict("records"):
        said = {name: value for name, value in row.items() if value is not None and value == value}
        done = "took back" if said["action"] == "restore" else "excluded"
        words = f"{said['decided_by']} {done} {said['what']} ({said['because']})"
        found[f"decision {said['number']}"] = words + (f", ended by {said['undone_by']}" if "undone_by" in said else "")
    return found


def _plugins(state: ScreenState) -> dict[str, Any]:
    found = {}
    for run in rows_of(state["runs"].sort_values("asset")):
        if isinstance(run.plugin, str):
            found[str(run.asset)] = f"{run.plugin} {run.plugin_version} {run.parameters}"
        if run.asset != _REPORT:
            found[f"{run.asset} made with"] = f"phenodose {run.phenodose_version}"
    return found


def _products(state: ScreenState) -> dict[str, Any]:
    rows = state["runs"].sort_values("asset")
    return {
        str(row.asset): row.version for row in rows_of(rows) if row.asset != _REPORT and isinstance(row.version, str)
    }


def _parsed(text: Any) -> dict[str, Any]:
    found = json.loads(text) if isinstance(text, str) else {}
    return found if isinstance(found, dict) else {}


# --- in words ---------------------------------------------------------------------------------------


def _sentences(found: Differences) -> Iterator[str]:
    for change in found.verdict:
        yield f"{change.what.capitalize()}: {change.now or 'none'} (was: {change.was or 'none'})."
    if found.calls:
        calls = [f"{c.what} {c.now or 'not scored'} (was {c.was or 'not scored'})" for c in found.calls]
        yield f"Calls: {_some(calls)}."
    for readout, changes in _by_readout(found.scores).items():
        told = sorted(changes, key=_shift, reverse=True)
        yield f"{len(told)} scores by {readout}: {_some([_score_change(change) for change in told])}."
    if found.wells:
        wells = [f"{c.what} {c.now or 'gone'} (was {c.was or 'not there'})" for c in found.wells]
        yield f"{len(found.wells)} wells of the layout: {_some(wells)}."
    for readout, changes in _by_readout(found.left_out).items():
        wells = [f"{_rest(c.what)} {f'left out ({c.now})' if c.now else 'used again'}" for c in changes]
        yield f"{len(wells)} wells by {readout}: {_some(wells)}."
    for change in found.inputs:
        yield f"{_capital(change.what)}: {_came_or_changed(change)}."
    for change in found.decisions:
        yield f"{_capital(change.what)}: {change.now or 'gone'}{f' (was: {change.was})' if change.was else ''}."
    for change in found.plugins:
        yield f"{_capital(change.what)}: {change.now or 'gone'} (was: {change.was or 'not there'})."
    if found.products:
        yield f"Made anew with another result: {_some([f'`{change.what}`' for change in found.products])}."


def _came_or_changed(change: Changed) -> str:
    if change.was is None:
        return "new"
    if change.now is None:
        return "not there any more"
    if change.what == "scores of other samples":
        return f"{change.now} (was: {change.was})"
    return "changed"


def _by_readout(changes: list[Changed]) -> dict[str, list[Changed]]:
    found: dict[str, list[Changed]] = {}
    for change in changes:
        found.setdefault(change.what.partition(", ")[0], []).append(change)
    return found


def _rest(what: str) -> str:
    return what.partition(", ")[2]


def _shift(change: Changed) -> float:
    was, now = ((side or {}).get("score") for side in (change.was, change.now))
    return float("inf") if was is None or now is None else abs(now - was)


def _score_change(change: Changed) -> str:
    return f"{_rest(change.what)} {_score_text(change.now)} (was {_score_text(change.was)})"


def _score_text(score: dict[str, Any] | None) -> str:
    if score is None:
        return "not there"
    if score["score"] is None:
        return str(score["status"])
    interval = "" if score["lower"] is None else f" [{_ends(score['lower'])}, {_ends(score['upper'])}]"
    return f"{score['score']:.4g}{interval}"


def _ends(value: float | None) -> str:
    return "open" if value is None else f"{value:.3g}"


def _some(texts: list[str]) -> str:
    more = f", and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return ", ".join(texts[:_NAMED]) + more


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
