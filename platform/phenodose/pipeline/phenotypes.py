"""Which drugs of a screen have a phenotype, and which look alike: by the pictures and by what networks make of them.

Belongs here: which wells are compared, by which features, and the rows. Does not belong here: the comparison
(`phenodose.phenotypes`) and maps (`embeddings`).

A drug is judged at its highest concentration, as on the maps. Masked wells take no part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phenodose.errors import NotMade
from phenodose.io.zarr_groups import is_group, open_group
from phenodose.names import plate_key
from phenodose.pipeline.viability import viability_key
from phenodose.plugins import Preferences, Readout

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from phenodose.pipeline.context import Context

#: Asset key, also the part of the table.
PHENOTYPES = "phenotypes"
#: Name of the features that need no network.
IMAGE = "image"


@dataclass(frozen=True)
class ScreenPhenotypes:
    """The phenotypes of a screen, as they stand in the store.

    Attributes:
        rows: rows of the table `phenotypes`.
        inputs: which features and which viability were used.
        notes: what was left out, a sentence each.
    """

    rows: pd.DataFrame
    inputs: dict[str, Any]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Source:
    """Features of wells: float array (row, feature), the row of each well, and the network's hash."""

    features: np.ndarray
    rows: Mapping[tuple[str, str], int]
    checkpoint: str | None = None


def make_phenotypes(step: Context, readouts: Mapping[str, type[Readout]]) -> ScreenPhenotypes:
    """Judge every drug of a screen and write the rows.

    Args:
        step: screen, store and parameters.
        readouts: readouts that may have features, and their plugins.

    Raises:
        NotMade: the screen has no drug with an image, or too few untreated wells to see drugs from.
    """
    import pandas as pd

    from phenodose.names import curve_names
    from phenodose.pipeline.wells_on_map import wells_on_map
    from phenodose.viability.controls import wells_named

    wells = step.wells()
    sources = _sources(step, tuple(readouts))
    viability = step.store.read_table("viability", step.screen_id)
    order = Preferences.of(step.plugins).ordered_readouts(viability["readout"].unique())
    untreated = step.normalisation(next(iter(readouts.values())), next(iter(readouts))).negative
    negative = pd.Series(wells_named(wells, untreated)[1], index=wells.index)
    therapy = (wells["well_type"] == "therapy") & wells_on_map(wells)
    wells = wells.assign(drug=curve_names(wells).where(therapy, ""), negative=negative)[therapy | negative]
    frames, notes = [], []
    for sample, of_sample in wells.groupby("sample", sort=False):
        for name, source in sources.items():
            by = name if name in order else next(iter(order), None)
            judged, why = _judged(of_sample, source, viability[viability["readout"] == by])
            if judged is None:
                notes.append(f"sample {sample}: no phenotypes by {name}: {why}.")
                continue
            frames.append(
                judged.assign(
                    screen=step.screen_id, sample=sample, features=name, checkpoint=source.checkpoint,
                    viability_readout=judged["beyond_viability"].map({True: by, False: None}),
                )
            )  # fmt: skip
    if not frames:
        raise NotMade(f"{step.screen_id} has no drug whose phenotype can be judged: {' '.join(notes)}")
    rows = pd.concat(frames, ignore_index=True).assign(run_id=step.run_id)
    drugs = step.store.read_table("drugs", step.screen_id)
    rows["drug_class"] = rows["drug"].map(dict(zip(drugs["drug"], drugs["drug_class"], strict=True)))
    step.store.write_table("phenotypes", step.screen_id, PHENOTYPES, rows)
    inputs = {name: source.checkpoint or "tensors" for name, source in sources.items()}
    return ScreenPhenotypes(rows, inputs, notes)


def _judged(wells: pd.DataFrame, source: _Source, viability: pd.DataFrame) -> tuple[pd.DataFrame | None, str]:
    """Rows of one sample by one kind of features, with and without what viability explains; else None and why."""
    import numpy as np
    import pandas as pd

    from phenodose.phenotypes.alignment import LEAST_NEGATIVE, sphered, without_viability
    from phenodose.phenotypes.drug_phenotypes import drug_phenotypes

    known = viability.set_index(["plate", "well"])[["viability_fraction", "masked"]]
    measured_by = known.reindex(pd.MultiIndex.from_frame(wells[["plate", "well"]]))
    masked = measured_by["masked"].astype("boolean").fillna(False).to_numpy(dtype=bool)
    keys = [(plate_key(plate), well) for plate, well in zip(wells["plate"], wells["well"], strict=True)]
    rows = np.array([source.rows.get(key, -1) for key in keys], dtype=np.int64)
    used = (rows >= 0) & ~masked
    wells, rows = wells[used], rows[used]
    negative, drugs = wells["negative"].to_numpy(dtype=bool), wells["drug"].to_numpy(dtype=object)
    if negative.sum() < LEAST_NEGATIVE:
        return None, f"{int(negative.sum())} untreated wells have an image, and {LEAST_NEGATIVE} are the least"
    if not (drugs != "").any():
        return None, "no drug well has an image"
    profiles = sphered(source.features[rows], negative, wells["plate"].to_numpy(dtype=object))
    found = [drug_phenotypes(profiles, drugs, negative).assign(beyond_viability=False)]
    alive = measured_by["viability_fraction"].to_numpy(dtype=np.float64)[used]
    measured = np.isfinite(alive)
    if (measured & negative).any() and (measured & (drugs != "")).any():
        left = without_viability(profiles[measured], alive[measured])
        found.append(drug_phenotypes(left, drugs[measured], negative[measured]).assign(beyond_viability=True))
    doses = wells[wells["drug"] != ""].groupby("drug")["concentration_nM"].max()
    table = pd.concat(found, ignore_index=True)
    return table.assign(concentration_nM=table["drug"].map(doses)), ""


def _sources(step: Context, readouts: Sequence[str]) -> dict[str, _Source]:
    """What wells can be compared by: the pictures, and the features of every network that has seen them."""
    from phenodose.phenotypes.image_profile import image_profile
    from phenodose.pipeline.tensor_wells import tensor_rows
    from phenodose.plates.tensors import open_tensors

    tensors = open_tensors(step.store.local_copy(step.store.tensor_path(step.screen_id)))
    sources = {IMAGE: _Source(image_profile(tensors), tensor_rows(tensors))}
    for readout in readouts:
        path = step.store.local_copy(step.store.feature_path(step.screen_id, readout))
        seen = step.store.read_table("viability", step.screen_id, viability_key(readout))
        if len(seen) and is_group(path):
            stored = open_group(path, f"materialize `{viability_key(readout)}` again")
            names = (str(name).split("/", 1) for name in stored["well"].to_numpy())
            rows = {(plate_key(plate), well): row for row, (plate, well) in enumerate(names)}
            weights = seen["checkpoint"].dropna()
            checkpoint = str(weights.iloc[0]) if len(weights) else None
            sources[readout] = _Source(stored["features"].to_numpy(), rows, checkpoint)
    return sources
