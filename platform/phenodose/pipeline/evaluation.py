"""What the paper tells of its networks, from what the store holds: by phase, by well, by replicate.

Belongs here: gathering the figures and pictures of some screens. Does not belong here: computing them
(`phenodose.learning.evaluation`, `phenodose.quality`, `phenodose.plots`).

Source: Berker et al. 2022, IEEE Trans. Med. Imaging, doi 10.1109/TMI.2022.3205554, Table S-III, Fig. 7, Fig. 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.errors import NotMade
from phenodose.names import plate_key
from phenodose.pipeline.transfer_study import stored_training_set, study_step
from phenodose.plugins import Phase, Progress, StagedReadout, no_progress
from phenodose.store.checkpoints import checkpoint_row
from phenodose.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

#: Columns of the table by phase.
PHASE_COLUMNS = (
    *("screen", "readout", "phase", "epochs", "n_train", "n_validation"),
    *("train_loss", "train_accuracy", "train_auroc"),
    *("validation_loss", "validation_accuracy", "validation_auroc"),
)
#: Metrics of the table `qc` that tell how replicates agree.
_AGREEMENT = ("replicate_pearson", "replicate_spearman", "replicate_dss_pearson", "replicate_dss_spearman")


@dataclass(frozen=True)
class Evaluation:
    """What is told of some screens.

    Attributes:
        phases: `PHASE_COLUMNS`, one row a trained phase; that of an adopted phase stands under the screen it was
            trained on.
        replicates: screen, readout, and agreement of replicates of viability and of DSS_asym.
        histograms: PNG of the raw viability by screen and readout.
    """

    phases: pd.DataFrame
    replicates: pd.DataFrame
    histograms: dict[tuple[str, str], bytes]

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return {"phases": self.phases, "replicates": self.replicates}


def evaluate(
    store: Store, screens: Sequence[str], readout: type[StagedReadout], progress: Progress = no_progress
) -> Evaluation:
    """Gather the figures of screens that have checkpoints of a readout.

    Raises:
        NotMade: a screen has none.
    """
    import pandas as pd

    trained: dict[tuple[str, str], Phase] = {}
    for screen in screens:
        rows = {phase: checkpoint_row(store, screen, readout.name, phase.name) for phase in readout.phases}
        if not any(rows.values()):
            raise NotMade(f"screen {screen} has no checkpoint of {readout.name}; run `phenodose run {screen}` first.")
        trained |= {(str(row["trained_on"]), phase.name): phase for phase, row in rows.items() if row}
    phases = []
    for number, ((screen, _), phase) in enumerate(trained.items(), start=1):
        phases.append(_phase_row(store, screen, readout, phase))
        progress(number, len(trained), f"{screen}, {phase.name}")
    histograms = {
        (screen, name): picture
        for screen in screens
        for name in readout.readout_names()
        if (picture := _histogram(store, screen, name, readout.label_range)) is not None
    }
    return Evaluation(pd.DataFrame(phases)[list(PHASE_COLUMNS)], _replicates(store, screens), histograms)


def write_evaluation(found: Evaluation, folder: Path) -> list[Path]:
    """Write phases.csv, replicates.csv and raw_<screen>_<readout>.png, each moved into place when it is whole."""
    from phenodose.io.files import written_aside

    contents = {f"{name}.csv": table.to_csv(index=False).encode() for name, table in found.tables().items()}
    contents |= {f"raw_{screen}_{readout}.png": png for (screen, readout), png in found.histograms.items()}
    for name, content in contents.items():
        with written_aside(folder / name) as aside:
            aside.write_bytes(content)
    return [folder / name for name in contents]


def _phase_row(store: Store, screen: str, readout: type[StagedReadout], phase: Phase) -> dict[str, Any]:
    from phenodose.learning.checkpoint import read_record
    from phenodose.learning.evaluation import metrics_of

    record = read_record(store.checkpoint_dir(screen, readout.name, phase.name))
    parents = None
    if phase.labels == "duplicates" and phase.parent:
        parents = _outputs(store, screen, readout, readout.phase(phase.parent))
    data = stored_training_set(study_step(store, screen, readout), readout, phase.name, parents)
    raw = _outputs(store, screen, readout, phase).loc[list(data.wells)].to_numpy()
    found = metrics_of(raw, data, float(record.parameters.get("label_smoothing", 0.0)))
    facts = {"screen": screen, "readout": readout.name, "phase": phase.name, "epochs": len(record.history)}
    return {**facts, "n_train": record.n_train, "n_validation": record.n_validation, **found}


def _outputs(store: Store, screen: str, readout: type[StagedReadout], phase: Phase) -> pd.Series:
    """Raw viability of every well by its name as tensors have it: as stored, else asked now.

    Phase I gives no viability; and what is stored may come from a checkpoint that has been replaced.
    """
    import pandas as pd

    from phenodose.learning.checkpoint import read_record
    from phenodose.plates.tensors import open_tensors

    folder = store.checkpoint_dir(screen, readout.name, phase.name)
    record = read_record(folder)
    tensors = open_tensors(store.local_copy(store.tensor_path(screen)))
    names = [str(name) for name in tensors["well"].to_numpy()]
    viability = store.read_table("viability", screen)
    own = viability[viability["readout"] == f"{readout.name}_{phase.name}"]
    if own.empty or set(own["checkpoint"]) != {record.weights_hash}:
        return pd.Series(readout(record.parameters).infer(folder, tensors).raw, index=names)
    places = zip(own["plate"], own["well"], own["raw"], strict=True)
    raw = {(plate_key(str(plate)), str(well)): value for plate, well, value in places}
    keys = [(plate_key(plate), well) for plate, well in (name.split("/", 1) for name in names)]
    return pd.Series([raw.get(key, np.nan) for key in keys], index=names, dtype="float64")


def _histogram(store: Store, screen: str, readout: str, limits: tuple[float, float] | None) -> bytes | None:
    from phenodose.plots import viability_histogram

    viability = store.read_table("viability", screen)
    own = viability[viability["readout"] == readout]
    return None if own.empty else viability_histogram(own, f"{screen}: {readout}", limits=limits)


def _replicates(store: Store, screens: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for screen in screens:
        qc = store.read_table("qc", screen)
        qc = qc[qc["metric"].isin(_AGREEMENT) & (qc["plate"] == "screen")]
        wide = qc.pivot_table(index="readout", columns="metric", values="value", sort=False)
        parts.append(wide.reindex(columns=list(_AGREEMENT)).reset_index().assign(screen=screen))
    every = pd.concat(parts, ignore_index=True)
    return every[["screen", "readout", *_AGREEMENT]].rename_axis(columns=None)
