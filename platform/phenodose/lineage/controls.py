"""Which control wells stood for viability 1 and 0 of some drug wells, from the tables of a store.

Belongs here: the groups that viability was relative to, told again with the values of their control wells. Does not
belong here: normalising (`phenodose.viability.normalise`), whose rule this tells again, and the chain (`trace`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.names import add_on_keys, add_on_names, serving_add_on

if TYPE_CHECKING:
    import pandas as pd


class ControlWells:
    """The control wells of a readout, ready to be asked for those of many drugs."""

    def __init__(self, wells: pd.DataFrame) -> None:
        """Take all wells of the readout.

        Args:
            wells: plate, well, sample, treatment, add_on (and add_on_concentration_nM), raw, control, masked.
        """
        held = add_on_keys(wells)
        self._shown = dict(zip(held, add_on_names(wells), strict=True))
        controls = wells.assign(held=held)[wells["control"].notna()]
        self._controls = controls.assign(added=_text(controls["add_on"]))

    def rows(self, drug_wells: pd.DataFrame, by: str) -> list[dict[str, Any]]:
        """The controls of some drug wells of one sample, a row a group and kind of control.

        Args:
            drug_wells: plate, sample, treatment, add_on (and add_on_concentration_nM) of wells of one sample, with one
                add-on in one concentration, or with none.
            by: what viability is relative to: 'plate', 'treatment' or 'both'.

        Returns:
            group (such as 'plate P1' or 'plate P1 with Drug3'), plate (where the group is of one), control, n_wells,
            median_raw, n_masked (left out where there are none), values ('A01 100504.8; B01 95761.6', in order of the
            plate).
        """
        first = drug_wells.iloc[:1]
        extra, plain_extra = add_on_keys(first).iloc[0], _text(first["add_on"]).iloc[0]
        shown = self._shown.get(extra, extra)
        sample = first["sample"].iloc[0]
        groups = drug_wells[_columns(by)].drop_duplicates().sort_values(_columns(by))
        rows: list[dict[str, Any]] = []
        for group in groups.to_dict("records"):
            here = self._controls
            for column, value in group.items():
                here = here[here[column] == value]
            own = here["sample"] == sample
            untreated = here[own & (here["control"] == "negative")]
            there = {("", held) for held in untreated.loc[untreated["raw"].notna(), "held"]}
            negative = untreated[untreated["held"] == serving_add_on([extra], [plain_extra], [""], there)[0]]
            positive = here[own & (here["control"] == "positive")]
            if positive.empty and by == "plate":  # killed cells of the plate's other samples serve
                positive = here[(here["added"] == "") & (here["control"] == "positive")]
            if not extra:
                positive = positive[positive["added"] == ""]
            name = " of ".join(f"{column} {value}" for column, value in reversed(group.items()))
            place = {"plate": group["plate"]} if "plate" in group else {}
            for kind, some in (("negative", negative), ("positive", positive)):
                rows.append({"group": name + (f" with {shown}" if extra else ""), **place, **_facts(kind, some)})
        return rows


def _columns(by: str) -> list[str]:
    return {"treatment": ["treatment"], "both": ["plate", "treatment"]}.get(by, ["plate"])


def _facts(kind: str, wells: pd.DataFrame) -> dict[str, Any]:
    masked = wells["masked"].astype(bool)
    used = wells[~masked].sort_values(["plate", "well"])
    several = len(used["plate"].unique()) > 1
    names = used["plate"] + " " + used["well"] if several else used["well"]
    facts: dict[str, Any] = {
        "control": kind,
        "n_wells": len(used),
        "median_raw": float(used["raw"].median()) if len(used) else None,
    }
    if masked.any():
        facts["n_masked"] = int(masked.sum())
    values = zip(names, used["raw"], strict=True)
    return facts | {"values": "; ".join(f"{name} {value:.7g}" for name, value in values)}


def _text(values: pd.Series[Any]) -> pd.Series[Any]:
    """Texts without blanks at their ends, '' for a missing one."""
    return values.astype(object).fillna("").astype(str).str.strip()
