"""The public face in Python: a dozen names that `import phenodose` gives.

Belongs here: one function for each thing that a person does from Python, in the words of the commands. Does not belong
here: work; each function passes on to the step that the commands and the asset graph call too.

These names, their arguments and their results are a contract: they change only with a line in CHANGELOG.md. Everything
below them may change. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.combinations import DoseMatrix, Excess
    from phenodose.pipeline.score_layout import Scored
    from phenodose.plates.plate import Plate
    from phenodose.plugins import Registry
    from phenodose.screens.layout import Layout
    from phenodose.store.store import Store
    from phenodose_assets.run import RunOutcome


def open_store(location: str | Path | None = None) -> Store:
    """A store: a folder, or s3://bucket/prefix; nothing is created yet.

    Args:
        location: where it is; None for $PHENODOSE_STORE, else ./store.

    Raises:
        InputError: the address is of no object store.
        StoreError: the bucket of an address is not there, or cannot be read.

    Example:
        >>> open_store("./store").screens()
        []
    """
    from phenodose.settings.environment import read_environment

    return read_environment().open_store(None if location is None else str(location))


def open_plate(path: str | Path) -> Plate:
    """An OME-Zarr plate, of phenodose or of another program; a folder or an address of an object store.

    Raises:
        InputError: there is no plate, or it is damaged.
    """
    from phenodose.io.places import place
    from phenodose.plates.plate import Plate

    return Plate.open(place(str(path)))


def installed_plugins(store: Store | str | Path | None = None) -> Registry:
    """What is installed, as the site.toml of a store says.

    Args:
        store: the store or where it is; None for $PHENODOSE_STORE, else ./store.
    """
    from phenodose.plugins import plugins_of

    return plugins_of(_store(store))


def read_layout(path: str | Path, sheet: str | None = None) -> Layout:
    """A layout file (xlsx, csv, tsv, txt): `frame` has one row a well, concentrations in nM; `notes` tell doubts.

    Args:
        path: the file.
        sheet: name of the sheet, where a workbook holds several layouts.

    Raises:
        InputError: the file is missing or its wells do not make a layout; all faults in one message.
    """
    from phenodose.screens import layout

    return layout.read_layout(Path(path), sheet, "sheet=NAME")


def read_readouts(path: str | Path, block: str | None = None) -> pd.DataFrame:
    """Plate-reader files: one file, a folder of files, or a zip.

    Args:
        path: file, folder or zip.
        block: name of the plate or sheet that counts, where a file holds several ('#2' for the second).

    Returns:
        One row a well: sample, plate, row, column, value (the plate reader's unit), file.

    Raises:
        InputError: the files are missing or hold no plate; all faults in one message.
    """
    from phenodose.screens.matrices import read_matrices

    return read_matrices(Path(path), block)


def score_layout(
    layout: Layout | str | Path,
    readouts: pd.DataFrame | str | Path | Mapping[str, pd.DataFrame | str | Path] | None = None,
    scorers: Sequence[str] = (),
    *,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    store: Store | str | Path | None = None,
    **options: Any,
) -> Scored:
    """Scores, curves and quality metrics of a layout, as `phenodose score` gives them.

    Args:
        layout: a layout or its file.
        readouts: plate-reader files (or frames of `read_readouts`), or several by name of the readout; None takes the
            layout's own column Readout.
        scorers: names of scorer plugins; none takes the first by precedence.
        parameters: parameters of scorers, by name of the scorer.
        store: whose site.toml says which plugins are used; as for `installed_plugins`.
        **options: fit, by, negative, positive, rises_with, mask_uncontrolled, lower_anchor, per_replicate, bootstrap,
            intervals, seed, workers of `phenodose.pipeline.score_layout.score_layout`.

    Returns:
        The frames scores, curves, qc, and of dose matrices dose_pairs and combination_scores, with notes (what was left
        out, shared or doubtful) and faults (of plugins).

    Raises:
        InputError: the files are faulty or do not fit each other; all faults in one message.
        PluginError: there is no such scorer, or a parameter is wrong.
        NotMade: a scorer lacks what it needs.
    """
    from phenodose.pipeline.score_layout import score_layout as score
    from phenodose.plugins.isolation import shared_sandbox
    from phenodose.plugins.preferences import default_scorers
    from phenodose.screens.layout import read_layout as read
    from phenodose.screens.matrices import read_readings
    from phenodose.settings.site import read_site

    opened = _store(store)
    known, given = installed_plugins(opened), parameters or {}
    names = scorers or default_scorers(known, read_site(opened.root).preferences)
    classes: list[Any] = [known.get("scorer", name) for name in dict.fromkeys(names)]
    chosen = [shared_sandbox(one, dict(given.get(one.name, {})), known) for one in classes]
    anchored = options.get("lower_anchor") is not None
    wells = read(Path(layout), needs_positive=not anchored) if isinstance(layout, str | Path) else layout
    values: Any = readouts
    if isinstance(readouts, str | Path):
        values = read_readings(Path(readouts))
    elif isinstance(readouts, Mapping):
        values = {n: read_readings(Path(one)) if isinstance(one, str | Path) else one for n, one in readouts.items()}
    return score(wells, values, chosen, plugins=known, **options)


def fit_curves(
    points: pd.DataFrame,
    keys: Sequence[str] = ("drug",),
    *,
    dose: str = "concentration_nM",
    inhibition: str = "inhibition",
    fit: Literal["robust", "nplr"] = "robust",
    draws: int = 0,
    seed: int = 0,
) -> pd.DataFrame:
    """Dose-response curves of a table of points.

    Args:
        points: one row a well.
        keys: columns that tell which curve a point belongs to.
        dose: column of the dose in nM.
        inhibition: column of the inhibition as a fraction (0 no effect, 1 all dead).
        fit: 'robust' or 'nplr'.
        draws: draws of each curve, which tell whether it is identifiable; 0 for none.
        seed: seed of the draws.

    Returns:
        One row a curve: the keys, and the columns of the table `curves` (docs/tables.md).
    """
    from phenodose.dose_response import fit as fits
    from phenodose.dose_response.points import points_from_long

    gathered = points_from_long(points, list(keys), dose, inhibition)
    return fits.fit_curves(gathered, fit=fit, bootstrap=draws, seed=seed, noise="batch").to_frame()


def excess_of(
    matrices: Sequence[DoseMatrix], measures: Sequence[str] = (), *, draws: int = 200, seed: int = 0
) -> Excess:
    """What two drugs do together beyond what the measures expect, dose pair by dose pair and for every matrix.

    Args:
        matrices: `phenodose.combinations.DoseMatrix`, of one sample and readout.
        measures: names of installed measures, such as 'bliss'; all of them by default.
        draws: draws for the 95 % intervals; 0 for none.
        seed: seed of the draws.

    Returns:
        The frames pairs, sums and doubtful, and what is wrong with a measure that failed (`faults`).

    Raises:
        InputError: `draws` is negative.
        PluginError: there is no such measure.
    """
    from phenodose.combinations import excess_of as found_of
    from phenodose.pipeline.dose_matrices import installed_measures
    from phenodose.plugins import registry

    chosen = [registry().create("measure", name) for name in dict.fromkeys(measures)]
    return found_of(matrices, chosen or installed_measures()[0], draws, seed)


def run_screen(
    folder_or_screen: str | Path,
    store: Store | str | Path | None = None,
    *,
    select: str | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
) -> RunOutcome:
    """Register a raw screen folder and make its assets, as `phenodose run` does.

    Args:
        folder_or_screen: a raw screen folder, or the id of a screen that is registered.
        store: the store or where it is; None for $PHENODOSE_STORE, else ./store.
        select: assets to make, separated by commas: keys, groups, or Dagster's selection syntax; None for all.
        parameters: parameters by plugin; they win over screen.toml.

    Returns:
        What was made, skipped (with the reason) and failed, and the notes; `raise_if_failed` raises what failed.

    Raises:
        InputError: the folder is faulty; all faults in one message.
    """
    from phenodose.io.privacy import private_files
    from phenodose.settings.files import readable_as_site_says

    opened = _store(store)
    with private_files():
        readable_as_site_says(opened.root)
        return _run_screen(folder_or_screen, opened, select, parameters)


def _run_screen(
    folder_or_screen: str | Path,
    opened: Store,
    select: str | None,
    parameters: Mapping[str, Mapping[str, Any]] | None,
) -> RunOutcome:
    from phenodose.screens.registration import screen_to_make
    from phenodose_assets.run import materialize_cohort, materialize_screen, selected_keys

    known = installed_plugins(opened)
    known.refuse_clashes()
    folder = Path(folder_or_screen).expanduser()
    if not folder.is_dir():
        folder = opened.source_of(str(folder_or_screen))
    screen = screen_to_make(opened, folder, known, images="plate_images" in selected_keys(opened, select))
    outcome = materialize_screen(opened, screen.id, select=select, parameters=parameters)
    materialize_cohort(opened).raise_if_failed()
    return outcome


def curate(
    store: Store | str | Path | None,
    screen: str,
    action: Literal["exclude", "restore"],
    wells: Sequence[str],
    *,
    because: str,
    by: str | None = None,
    sample: str | None = None,
    readout: str | None = None,
) -> pd.DataFrame:
    """Leave wells of a screen out of its results, or take them back, as `phenodose curate`; all that is named, or none.

    `run_screen` or `phenodose run SCREEN --stale` then makes again what follows.

    Args:
        store: the store or where it is; None for $PHENODOSE_STORE, else ./store.
        screen: screen id.
        action: exclude, or restore.
        wells: wells such as P2/C07, blocks such as P2/C07-D12, drug:NAME, replicate:NUMBER, plate:NAME; to restore
            also the number of a decision.
        because: why.
        by: who decides; None for the account that runs this.
        sample: only wells of this sample; 'all' for all.
        readout: only readings of this readout.

    Returns:
        The decisions taken, rows of the table `curations`.

    Raises:
        InputError: something named is not there, is so already, or would leave nothing; or there is no reason.
        StoreError: the store does not hold the screen.
        BusyError: another process is deciding and does not end.
    """
    from phenodose.screens.curations import row_of
    from phenodose.screens.decide import account, decide
    from phenodose.tables import TABLES

    who = account() if by is None else by
    made = decide(_store(store), screen, action, wells, because=because, by=who, sample=sample, readout=readout)
    frame: pd.DataFrame = TABLES["curations"].frame([row_of(screen, one) for one in made])
    return frame


def query(sql: str, store: Store | str | Path | None = None, *, row_limit: int | None = None) -> pd.DataFrame:
    """Ask the cohort one question in SQL, read-only; docs/sql_cookbook.md has examples.

    Args:
        sql: one SELECT.
        store: the store or where it is; None for $PHENODOSE_STORE, else ./store.
        row_limit: most rows; None for all.

    Raises:
        InputError: the statement is none that may be asked, or DuckDB refuses it.
        StoreError: the store has no cohort yet.
    """
    from phenodose.cohort import query as cohort

    frame: pd.DataFrame = cohort.query(_store(store), sql, row_limit=row_limit).table.to_pandas()
    return frame


def read_viability(store: Store | str | Path | None, screen: str, readout: str | None = None) -> pd.DataFrame:
    """The viability of every well of a screen with what the well holds: rows of `viability`, joined with `wells`.

    Args:
        store: the store or where it is; None for $PHENODOSE_STORE, else ./store.
        screen: screen id.
        readout: name of one readout; None for all.

    Returns:
        Among others plate, well, treatment, concentration_nM, well_type, readout, raw, viability_fraction, masked.
    """
    opened = _store(store)
    rows = opened.read_table("viability", screen)
    wells = opened.read_table("wells", screen)
    of_wells = ["plate", "well", *(name for name in wells.columns if name not in rows.columns)]
    joined = _usual(rows.merge(wells[of_wells], on=["plate", "well"], how="left", validate="many_to_one"))
    return joined if readout is None else joined[joined["readout"] == readout].reset_index(drop=True)


def read_scores(
    store: Store | str | Path | None = None,
    screen: str | None = None,
    *,
    scorer: str | None = None,
    readout: str | None = None,
    pooled: bool = True,
) -> pd.DataFrame:
    """The scores of one screen or of all, rows of the table `scores`.

    Args:
        store: the store or where it is; None for $PHENODOSE_STORE, else ./store.
        screen: screen id; None for all screens.
        scorer: name of one scorer; None for all.
        readout: name of one readout; None for all.
        pooled: scores of all replicates together; False adds those of single replicates.

    Returns:
        Among others screen, sample, readout, drug, scorer, score, lower, upper (95 % interval), p_hit_fraction, call
        ('hit', 'borderline', 'no hit'), status. Whether the readout failed its quality check, the view `hits` says too.
    """
    rows = _store(store).read_table("scores", screen)
    for column, wanted in (("scorer", scorer), ("readout", readout), ("replicate", "pooled" if pooled else None)):
        if wanted is not None:
            rows = rows[rows[column] == wanted]
    return _usual(rows).reset_index(drop=True)


def _usual(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with texts as pandas itself keeps them, so that it equals those of others."""
    return frame.astype({name: "str" for name, dtype in frame.dtypes.items() if dtype == "str"})


def _store(store: Store | str | Path | None) -> Store:
    from phenodose.store.store import Store

    return store if isinstance(store, Store) else open_store(store)
