"""Where a score comes from: the chain from the number back to wells, images, networks and raw files.

Belongs here: gathering, for one drug of one screen, what the store's tables say of every link, and whether the links
still fit: an input that has changed since is told. Does not belong here: recording (`phenodose.lineage.provenance` and
the table `runs`) and printing (`phenodose.cli.why`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from phenodose.dose_response.combination import PREFIX, combined_drugs
from phenodose.errors import InputError, StoreError
from phenodose.io.files import hash_file
from phenodose.lineage.link import Link
from phenodose.lineage.reachable import KEY, c_max_links
from phenodose.lineage.rows import grouped, records, some
from phenodose.names import ADD_ON_DOSE, curve_names, measured_name
from phenodose.plugins import Preferences
from phenodose.screens.curations import decisions_of

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.lineage.freshness import Change
    from phenodose.store.store import Store

Value = TypeVar("Value")
#: What is told of a curve.
_CURVE = (
    "model", "bottom", "top", "log10_mid", "slope", "asymmetry", "gof", "n_points", "lack_of_fit_p", "fit", "status",
    "reason",
)  # fmt: skip
#: What is told of a well.
_WELL = (
    "plate", "well", "concentration_nM", "replicate", "raw", "viability_fraction",
    "masked", "mask_reason", "flag", "flag_reason", "well_class", "class_probability",
)  # fmt: skip
#: What a row tells of the run that made it.
_OF_THE_RUN = ("plugin", "plugin_version", "parameters", "run_id")
#: What is told of a network.
_NETWORK = (
    "weights_hash", "trained_on", "n_train", "n_validation", "epochs", "train_loss", "validation_loss",
    "validation_auroc", "plugin_version", "parameters", "run_id",
)  # fmt: skip


def why(
    store: Store,
    screen: str,
    drug: str,
    scorer: str | None = None,
    readout: str | None = None,
    replicate: str = "pooled",
    sample: str | None = None,
) -> list[Link]:
    """The chain behind every score of a drug.

    Args:
        store: the store.
        screen: screen id.
        drug: treatment as in the layout; upper and lower case do not matter.
        scorer: which score; None for the one that is taken where none is named.
        readout: only this readout; None for all.
        replicate: 'pooled' or a replicate's number.
        sample: only this sample; None for all.

    Returns:
        One chain a sample and readout, each starting with the score.

    Raises:
        StoreError: the screen has no scores.
        InputError: there is no such drug, scorer, readout, replicate or sample.
    """
    named = scorer or Preferences.of_store(store).default_scorer() or ""
    return ScreenTables(store, screen).chains(drug, named, readout, replicate, sample)


def why_each(
    store: Store, screen: str, drugs: Iterable[str], scorer: str, readout: str, sample: str | None = None
) -> dict[str, list[Link]]:
    """The chains of several drugs as `why` gives them, with every table read once; drugs without a score are left out.

    Args:
        store: the store.
        screen: screen id.
        drugs: names as scores have them.
        scorer: which score.
        readout: by which readout.
        sample: only this sample; None for all.

    Raises:
        StoreError: the screen has no scores.
    """
    return ScreenTables(store, screen).chains_of_each(drugs, scorer, readout, sample)


class ScreenTables:
    """The tables of one screen, and the links that they tell of; what several chains share is made once."""

    def __init__(self, store: Store, screen: str) -> None:
        self.store = store
        self.screen = screen
        self._known: dict[Hashable, Any] = {}

    def __getitem__(self, table: str) -> pd.DataFrame:
        return self._once(table, lambda: self.store.read_table(table, self.screen))

    def _once(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        if key not in self._known:
            self._known[key] = compute()
        value: Value = self._known[key]
        return value

    def _by(self, table: str, *columns: str) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
        """The rows of a table by their values of some columns."""
        return self._once((table, columns), lambda: grouped(records(self[table]), columns))

    def chains(
        self, drug: str, scorer: str, readout: str | None, replicate: str, sample: str | None = None
    ) -> list[Link]:
        """The chains of a drug's scores, one a sample and readout."""
        return [self._score(row) for row in self._scores(drug, scorer, readout, replicate, sample)]

    def chains_of_each(
        self, drugs: Iterable[str], scorer: str, readout: str, sample: str | None = None
    ) -> dict[str, list[Link]]:
        """The chains of the pooled scores of several drugs, by drug; those without a score are left out."""
        rows = self._all_scores()
        rows = rows if sample is None else rows[rows["sample"] == sample]
        chosen = rows[(rows["scorer"] == scorer) & (rows["readout"] == readout) & (rows["replicate"] == "pooled")]
        by_drug = grouped(records(chosen.sort_values("sample", kind="stable")), ("drug",))
        return {drug: [self._score(row) for row in by_drug[drug,]] for drug in drugs if (drug,) in by_drug}

    def _scores(
        self, drug: str, scorer: str, readout: str | None, replicate: str, sample: str | None
    ) -> list[dict[str, Any]]:
        rows = self._all_scores()
        names = {str(name).lower(): str(name) for name in rows["drug"].unique()}
        wanted = {"sample": sample, "drug": names.get(drug.lower(), drug), "scorer": scorer, "readout": readout}
        wanted["replicate"] = replicate
        for column, value in wanted.items():
            if value is None:
                continue
            there = sorted(str(one) for one in rows[column].unique())
            there += self._pairs() if column == "drug" else []
            rows = rows[rows[column] == value]
            if rows.empty and column == "scorer" and not value:
                raise InputError(
                    f"No scorer that ranks drugs is enabled here; name one of those of {self.screen} with --scorer: "
                    f"{', '.join(there)}."
                )
            if rows.empty:
                raise InputError(f"{self.screen} has no score with {column} {value!r}; there are: {', '.join(there)}.")
        return records(rows.sort_values(["sample", "readout"]))

    def _pairs(self) -> list[str]:
        """Pairs of dose matrices, which `pairs` tells of."""
        rows = self["combination_scores"]
        return sorted({f"{drug} + {add_on}" for drug, add_on in zip(rows["drug"], rows["add_on"], strict=True)})

    def _all_scores(self) -> pd.DataFrame:
        rows = self["scores"]
        if rows.empty:
            made = ", ".join(sorted(self.store.read_table("screens")["screen"])) or "none"
            raise StoreError(
                f"screen {self.screen!r}: the store {self.store.root} holds no score of it (screens with results: "
                f"{made}); make some with `phenodose run FOLDER`."
            )
        return rows

    # --- from the score to the wells --------------------------------------------------------------

    def _score(self, row: dict[str, Any]) -> Link:
        part = f"scores/{row['scorer']}"
        facts = some(row, ("score", "lower", "upper", "bound", "unit", "hit", "p_hit_fraction", "call", "status"))
        facts = {name: value for name, value in facts.items() if (name, value) != ("bound", "=")}
        link = Link(
            f"{row['scorer']} of {row['drug']} in {row['sample']} by {row['readout']}, replicate {row['replicate']}",
            facts | self._made_by(row, part),
            doubts=[*self._older(part), *self._changed(part, f"curves/{row['readout']}")],
        )
        link.made_from.append(self._curve(row))
        alone = self._alone(row)
        if alone is not None:
            link.made_from.append(self._curve(row | {"drug": alone}, " alone"))
        link.made_from.extend(self._reference(part))
        link.made_from.extend(c_max_links(self._by("reachable_effects", *KEY), row))
        return link

    def _alone(self, score: dict[str, Any]) -> str | None:
        """The drug whose own score a difference was taken to; None if the score is no difference."""
        plain = str(score["scorer"]).removeprefix(PREFIX)
        if plain == score["scorer"] or plain not in set(self["scores"]["scorer"]):
            return None
        pairs = self._once("combined", lambda: combined_drugs(self["wells"]))
        own = pairs[(pairs["drug"] == score["drug"]) & (pairs["sample"] == score["sample"])]
        return None if own.empty else str(own["treatment"].iloc[0])

    def _curve(self, score: dict[str, Any], which: str = "") -> Link:
        part = f"curves/{score['readout']}"
        key = ("sample", "readout", "replicate", "drug")
        rows = self._by("curves", *key).get(tuple(score[column] for column in key))
        what = f"curve of {score['readout']}" + (f", {score['drug']}{which}" if which else "")
        if not rows:
            return Link(what, doubts=[f"its row is gone; materialize `{part}` again."])
        row = rows[0]
        doubts = [*self._older(part), *self._changed(part, f"viability/{score['readout']}")]
        link = Link(what, some(row, _CURVE) | self._made_by(row, part), doubts=doubts)
        link.made_from.append(self._wells(score))
        return link

    def _wells(self, score: dict[str, Any]) -> Link:
        """The wells of the curve, and how their raw values became viability."""
        readout = score["readout"]
        part = f"viability/{readout}"
        wells, all_plates = self._once(("wells", readout), lambda: self._wells_of(readout))
        of_drug = wells.get((score["drug"], score["sample"]), [])
        if score["replicate"] != "pooled":
            of_drug = [well for well in of_drug if well["replicate_text"] == score["replicate"]]
        if not of_drug:
            return Link(f"wells by {readout}", doubts=[f"their rows are gone; materialize `{part}` again."])
        row = min(of_drug, key=lambda well: well["place"])
        run = self._run(part)
        normalised = {"normalised_by": run["inputs"].get("normalise_by")} if run else {}
        if run and readout != measured_name(readout):
            normalised["raw_without_effects_of_place"] = run["inputs"].get("correction")
        second = some(row, ("add_on", ADD_ON_DOSE))
        link = Link(
            f"wells by {readout}",
            second | normalised | self._made_by(row, part),
            rows=[some(well, _WELL) for well in of_drug],
            doubts=self._older(part),
        )
        by = str(normalised.get("normalised_by") or "plate")
        plates = frozenset(well["plate"] for well in of_drug) if by == "plate" else all_plates
        groups = frozenset((well["plate"], well["treatment"] if by != "plate" else "") for well in of_drug)
        key = ("controls", readout, score["sample"], str(of_drug[0]["add_on"]), str(of_drug[0][ADD_ON_DOSE]), groups)
        link.made_from.append(self._once(key, lambda: self._controls(readout, of_drug, by)))
        link.made_from.extend(self._decisions(readout, [(well["plate"], well["well"]) for well in of_drug], plates))
        images = not self.is_metabolic(run)
        weights = row["checkpoint"]
        if isinstance(weights, str):
            link.made_from.extend(self._once(("network", weights), lambda: self._checkpoints(weights)))
        link.made_from.extend(self._once(("sources", part, plates), lambda: self._sources(part, plates, images)))
        return link

    def _all_wells(self, readout: str) -> pd.DataFrame:
        """The viability of a readout with what the wells hold."""

        def join() -> pd.DataFrame:
            viability = self["viability"][self["viability"]["readout"] == readout]
            columns = ["screen", "plate", "well", "row", "column"]
            return viability.merge(self["wells"], on=columns, suffixes=("", "_layout"))

        return self._once(("joined", readout), join)

    def _wells_of(self, readout: str) -> tuple[dict[tuple[Any, ...], list[dict[str, Any]]], frozenset[str]]:
        """The drug wells of a readout by drug and sample, in order of the dose, and all its plates."""
        wells = self._all_wells(readout)
        wells = wells.assign(
            drug=curve_names(wells),
            place=range(len(wells)),
            replicate_text=wells["replicate"].astype("Int64").astype(str),
        )
        dosed = wells[wells["well_type"] == "therapy"].sort_values(["concentration_nM", "replicate", "plate", "well"])
        layout = ("place", "replicate_text", "drug", "sample", "treatment", "add_on", ADD_ON_DOSE)
        columns = (*_WELL, *layout, "checkpoint", *_OF_THE_RUN)
        return grouped(records(dosed[list(columns)]), ("drug", "sample")), frozenset(wells["plate"])

    def _controls(self, readout: str, of_drug: list[dict[str, Any]], by: str) -> Link:
        """What 100 % and 0 % of these wells were."""
        import pandas as pd

        from phenodose.lineage.controls import ControlWells

        controls = self._once(("control wells", readout), lambda: ControlWells(self._all_wells(readout)))
        drug_wells = pd.DataFrame(of_drug)[["plate", "well", "sample", "treatment", "add_on", ADD_ON_DOSE]]
        return Link(f"controls of {readout}", rows=controls.rows(drug_wells, by))

    def _decisions(self, readout: str, own: list[tuple[str, str]], plates: frozenset[str]) -> list[Link]:
        """What was decided on some wells, given as plate and well, and on the controls of some plates."""
        decisions = self._once("decisions", lambda: decisions_of(self.store, self.screen))
        if not decisions:
            return []
        from phenodose.lineage.decisions import decision_links

        wells, places = self._all_wells(readout), set(own)
        is_control = wells["control"].notna() & wells["plate"].isin(plates)
        is_own = [place in places for place in zip(wells["plate"], wells["well"], strict=True)]
        return decision_links(decisions, wells, is_control.to_numpy(dtype=bool) | is_own, readout)

    # --- networks, images and raw files -----------------------------------------------------------

    def _checkpoints(self, weights: Any) -> list[Link]:
        """The network behind the wells, and those that it started from."""
        if not isinstance(weights, str):
            return []
        rows = self["checkpoints"]
        rows = rows[rows["weights_hash"] == weights]
        if rows.empty:
            rows = self.store.read_table("checkpoints")
            rows = rows[rows["weights_hash"] == weights]
        if rows.empty:
            return [Link(f"network {weights}", doubts=["no checkpoint in the store has these weights any more."])]
        row = records(rows)[0]
        kept = [change for change in self.changes() if change.kept]
        doubts = [one.sentence for one in kept if one.what == f"checkpoint/{row['readout']}/{row['phase']}"]
        link = Link(f"network {row['readout']} {row['phase']}", some(row, _NETWORK), doubts=doubts)
        link.made_from.extend(self._checkpoints(row["parent_hash"]))
        return [link]

    def _sources(self, part: str, plates: frozenset[str], images: bool) -> list[Link]:
        """Layout, plate-reader files or plates of images."""
        links = []
        layout = self._run("layout")
        if layout:
            links.append(Link("layout", layout["inputs"] | self._source(), doubts=self._older("layout")))
        if not images:
            run = self._run(part)
            files = {} if run is None else {k: v for k, v in run["inputs"].items() if "." in k}
            links.append(Link("plate-reader files", files))
            return links
        columns = ("plate", "path", "n_planes", "raw_hash", "plugin", "plugin_version")
        used = self["plates"][self["plates"]["plate"].isin(plates)].sort_values("plate")
        links.append(Link("images", {}, rows=[some(row, columns) for row in records(used)]))
        return links

    def _source(self) -> dict[str, Any]:
        rows = self["screens"]
        return {} if rows.empty else some(records(rows)[0], ("source", "reader"))

    def _reference(self, part: str) -> list[Link]:
        """The reference samples of a selective score."""
        run = self._run(part)
        files = {} if run is None else {k: v for k, v in run["inputs"].items() if not k.startswith("curves/")}
        return [Link("reference samples", files)] if files else []

    # --- runs -------------------------------------------------------------------------------------

    def _run(self, asset: str) -> dict[str, Any] | None:
        # A corrected readout is made with the one that was measured.
        rows = self._by("runs", "asset").get((measured_name(asset),))
        if not rows:
            return None
        inputs = rows[0]["inputs"]
        return rows[0] | {"inputs": json.loads(inputs) if isinstance(inputs, str) else {}}

    def _made_by(self, row: dict[str, Any], asset: str) -> dict[str, Any]:
        facts = {
            "plugin": f"{row['plugin']} {row['plugin_version']}",
            "parameters": row["parameters"],
            "run": row["run_id"],
        }
        run = self._run(asset)
        if run and run["run_id"] == row["run_id"]:
            facts["made_at"] = run["finished_at"].isoformat(timespec="seconds")
            facts["phenodose_version"] = run["phenodose_version"]
        return facts

    def changes(self) -> list[Change]:
        """What has changed since something of the screen was made from it."""
        from phenodose.lineage.freshness import changes_since

        return self._once("changes", lambda: changes_since(self.store, self.screen))

    def _older(self, made: str) -> list[str]:
        """What was made is older than; what is told of a curve's or score's rows by `_changed` is left to that."""
        return [
            change.sentence
            for change in self.changes()
            if measured_name(made) in change.direct and not change.what.startswith(("viability/", "curves/"))
        ]

    def _changed(self, made: str, source: str) -> list[str]:
        """Whether the source's rows are still those that were read."""
        return self._once(("changed", made, source), lambda: self._changes(made, source))

    def _changes(self, made: str, source: str) -> list[str]:
        run = self._run(made)
        read = run["inputs"].get(source) if run else None
        if read is None:
            return []
        path = self.store.table_part(source.partition("/")[0], self.screen, source)
        if path.is_file() and (hash_file(path) == read or self._same(made, source)):
            return []
        return [f"`{source}` has changed since `{made}` was made from it; materialize `{made}` again."]

    def _same(self, made: str, source: str) -> bool:
        """Whether a source that was made again since, and not by hand, holds what it held before."""
        run, before = self._run(source), self._run(made)
        if run is None or before is None or not isinstance(before["made_from"], str):
            return False
        by_hand = any(source in change.direct and change.what.endswith(".parquet") for change in self.changes())
        return bool(json.loads(before["made_from"]).get(measured_name(source)) == run["version"]) and not by_hand

    def is_metabolic(self, run: dict[str, Any] | None) -> bool:
        """Whether the run of a viability read plate-reader files."""
        from phenodose.cohort.build import metabolic_readouts
        from phenodose.plugins import plugins_of

        return run is not None and run["plugin"] in metabolic_readouts(plugins_of(self.store))
