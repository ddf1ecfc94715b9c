"""Which wells a phase trains on, with which labels, and which are held out.

Belongs here: the selection of wells and labels from layout, controls and the parent phase's outputs.
Does not belong here: label smoothing and the training itself (`training`).

Source: Berker et al. 2022. Phases I and II learn the controls. Phase III adds the drug wells, each
labelled with the phase-II output of its duplicate: noise that the two wells do not share averages out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from phenodose.errors import NotMade
from phenodose.learning.preprocess import to_signal
from phenodose.names import ADD_ON_DOSE, plate_key, plate_sort_key, row_index
from phenodose.training_records import Phase, TrainingSet, UnlabelledWells

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from phenodose.viability.controls import Controls

#: Columns of the layout in which duplicates agree.
_ALIKE = ("sample", "treatment", "concentration_nM", "add_on", ADD_ON_DOSE)


def training_set(
    phase: Phase,
    tensors: xr.DataArray,
    wells: pd.DataFrame,
    controls: Controls,
    parent_raw: pd.Series | None = None,
    named: Sequence[str] | None = None,
    unlabelled: bool = False,
) -> TrainingSet:
    """Select images, labels and held-out wells of a phase.

    Args:
        phase: the phase to train.
        tensors: uint16, dims well, y, x, channel; coordinate `well` holds names such as 'P1/B07'.
        wells: rows of the layout: plate, well, row, column, well_type, treatment, concentration_nM,
            replicate and, if there are any, sample and add_on.
        controls: bool masks `negative` and `positive` over the rows of `wells`.
        parent_raw: output of the parent phase by well name; needed for phases labelled by duplicates.
        named: what a person calls each row of `wells`, '' where nobody says: each name of 3 imaged wells and more is a
            class beside the two controls. None for these two alone.
        unlabelled: also give all wells of the screen, for what can be learned without labels.

    Raises:
        NotMade: fewer than two imaged controls of a class, no duplicates for a phase that needs them, or images
            that are all black.
    """
    layout = _imaged(wells, controls, tensors)
    names: tuple[str, ...] = ()
    if named is not None:
        layout, names = _with_classes(layout, wells.assign(named=list(named)))
    further = layout.of_class > 1
    for kind, n in (("negative", int(layout.negative.sum())), ("positive", int(layout.positive.sum()))):
        if n < 2:
            otherwise = " that nobody calls otherwise (WellClass)" if names else ""
            raise NotMade(
                f"{phase.name} cannot be trained: {f'only {n}' if n else 'no'} {kind} control well{otherwise} has an "
                "image, 2 are the least; check well types and treatments of the layout, and [controls] in screen.toml."
            )
    chosen = layout[layout.negative | layout.positive | further]
    labels = np.where(chosen.of_class > 1, np.float32(0.5), chosen.negative.to_numpy(dtype=np.float32))
    if phase.labels == "duplicates":
        import pandas as pd

        others = _of_duplicates(layout[~further], parent_raw, phase.name)
        chosen = pd.concat([chosen, layout.loc[others.index]])
        labels = np.concatenate([labels, others.to_numpy(dtype=np.float32)])
    is_control = (chosen.negative | chosen.positive).to_numpy(dtype=bool)
    images = to_signal(tensors.isel(well=chosen.position.to_numpy()).to_numpy())
    if not images.any():
        raise NotMade(
            f"{phase.name} cannot be trained: the images of all its {len(images)} wells are black; check the channel "
            "under [channels] in screen.toml, and the raw images."
        )
    validation = _validation(chosen, phase.validation_wells_per_class, len(names))
    return TrainingSet(
        images=images,
        labels=labels,
        is_control=is_control,
        validation=validation,
        wells=tuple(chosen.index),
        inputs=tuple(str(name) for name in tensors["channel"].to_numpy()) if "channel" in tensors.coords else (),
        class_names=names,
        classes=chosen.of_class.to_numpy(dtype=np.int64) if names else None,
        unlabelled=_unlabelled(layout, tensors, set(chosen.index[validation])) if unlabelled else None,
    )


def _unlabelled(layout: pd.DataFrame, tensors: xr.DataArray, held_out: set[str]) -> UnlabelledWells:
    """All imaged wells, and which hold the same: controls of a kind, and wells of one drug, dose and add-on."""
    kind = layout["well_type"].astype(str).str.lower()
    wells = layout[kind != "exclude"]
    by = [column for column in ("well_type", *_ALIKE) if column in wells.columns]
    number = wells.groupby(by, dropna=False, sort=False).ngroup().to_numpy(dtype=np.int64)
    alike = np.where(wells.negative, -2, np.where(wells.positive, -3, number))
    alone = wells["treatment"].isna() & ~wells.negative & ~wells.positive
    alike = np.where(alone | wells.index.isin(list(held_out)), -1, alike)
    images = to_signal(tensors.isel(well=wells.position.to_numpy()).to_numpy())
    _, numbers = np.unique(alike, return_inverse=True)
    return UnlabelledWells(images, np.where(alike == -1, -1, numbers).astype(np.int64))


def sparse_controls(data: TrainingSet) -> list[str]:
    """One sentence for every plate of a training set with fewer than 2 controls of a class."""
    sentences = []
    plate_of = np.array([well.split("/", 1)[0] for well in data.wells])
    for plate in sorted(set(plate_of), key=plate_sort_key):
        for kind, label in (("negative", 1), ("positive", 0)):
            n = int((data.is_control & (data.labels == label) & (plate_of == plate)).sum())
            if n < 2:
                sentences.append(
                    f"plate {plate} has {n or 'no'} {kind} control well{'' if n == 1 else 's'} with an image (2 are "
                    "wanted): the network learns that class from the other plates."
                )
    return sentences


def _imaged(wells: pd.DataFrame, controls: Controls, tensors: xr.DataArray) -> pd.DataFrame:
    """The layout's rows that have an image, indexed by the tensors' well names, in their order."""
    names = [str(name) for name in tensors["well"].to_numpy()]
    position = {_key(*name.split("/", 1)): i for i, name in enumerate(names)}
    keys = [_key(str(p), str(w)) for p, w in zip(wells["plate"], wells["well"], strict=True)]
    layout = wells.assign(
        negative=np.asarray(controls.negative, dtype=bool),
        positive=np.asarray(controls.positive, dtype=bool),
        position=[position.get(key, -1) for key in keys],
        of_class=-1,
    )
    layout = layout[layout.position >= 0].sort_values("position")
    return layout.set_index(layout.position.map(lambda i: names[i]).rename("name"))


def _with_classes(layout: pd.DataFrame, named: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The imaged wells with the class that a person put each into, and the classes; () if there are only controls.

    Args:
        layout: from `_imaged`.
        named: the layout's rows with the column `named`.
    """
    from phenodose.learning.well_classes import class_labels, class_names

    name_of = dict(zip(zip(named["plate"], named["well"], strict=True), named["named"], strict=True))
    said = [name_of[key] for key in zip(layout["plate"], layout["well"], strict=True)]
    names = class_names(said)
    of_class = class_labels(names, said, layout.negative.to_numpy(), layout.positive.to_numpy())
    # A control that a person calls otherwise teaches nothing of living or killed cells.
    layout = layout.assign(negative=of_class == 1, positive=of_class == 0, of_class=of_class)
    return layout, names if len(names) > 2 else ()


def _key(plate: str, well: str) -> tuple[str, str]:
    return plate_key(plate), well


def _validation(chosen: pd.DataFrame, per_class: int, n_classes: int = 0) -> np.ndarray:
    """Hold out the first wells of each class on each plate, going down the columns from the left.

    The number is spread evenly over the plates, the first plates taking the rest; at most half of a
    class is ever held out.
    """
    held_out = np.zeros(len(chosen), dtype=bool)
    order = sorted(
        range(len(chosen)),
        key=lambda i: (int(chosen["column"].iloc[i]), row_index(str(chosen["row"].iloc[i]))),
    )
    plates = sorted(set(chosen["plate"].astype(str)), key=plate_sort_key)
    further = [(chosen.of_class == number).to_numpy() for number in range(2, n_classes)]
    for of_class in (chosen.negative.to_numpy(dtype=bool), chosen.positive.to_numpy(dtype=bool), *further):
        wanted = min(per_class, int(of_class.sum()) // 2)
        for rank, plate in enumerate(plates):
            share = wanted // len(plates) + (rank < wanted % len(plates))
            here = [i for i in order if of_class[i] and str(chosen["plate"].iloc[i]) == plate]
            held_out[here[:share]] = True
    return held_out


def _of_duplicates(layout: pd.DataFrame, parent_raw: pd.Series | None, phase: str) -> pd.Series:
    """For every drug well with duplicates, the mean parent output of its duplicates."""
    if parent_raw is None:
        raise NotMade(f"{phase} cannot be trained: the outputs of its parent phase are missing; infer them first.")
    therapy = layout["well_type"].astype(str).str.lower() == "therapy"
    drugs = layout[therapy & ~layout.negative & ~layout.positive].assign(raw=parent_raw.astype("float64"))
    drugs = drugs[drugs["replicate"].notna() & drugs["raw"].notna()]
    by = [column for column in _ALIKE if column in drugs.columns]
    alike = drugs.groupby(by, dropna=False, sort=False)["raw"]
    same = drugs.groupby([*by, "replicate"], dropna=False, sort=False)["raw"]
    n_others = alike.transform("size") - same.transform("size")
    labelled = drugs[n_others > 0]
    if labelled.empty:
        raise NotMade(
            f"{phase} cannot be trained: no drug well has a duplicate (same treatment, concentration and add-on with "
            "another replicate number); fill in Replicate in the layout, or go on with the phase before."
        )
    others = (alike.transform("sum") - same.transform("sum"))[n_others > 0] / n_others[n_others > 0]
    return others.clip(0.0, 1.0)
