"""The viability of a readout without effects of place, beside the uncorrected one in the store.

Belongs here: whether screen.toml asks for it, and what stands under its own name. Does not belong here: the correction
(`pipeline.plate_correction`) and scaling (`pipeline.viability`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError
from phenodose.names import corrected_name
from phenodose.pipeline.plate_correction import CorrectionParameters, corrected_readings
from phenodose.pipeline.viability import (
    VIABILITY,
    ScreenViability,
    ViabilityParameters,
    viability_key,
    viability_of,
)
from phenodose.plugins import StagedReadout

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.pipeline.context import Context
    from phenodose.plugins import Readout

#: What the images say of a well, which no correction of its number changes.
_OF_IMAGES = ("image_distance", "well_class", "class_probability")
_IMAGE_FLAGS = ("out_of_focus", "no_cell_state", "out_of_distribution", "strange_image", "unlike_controls")


def corrected_parts(readout: str) -> tuple[tuple[str, str], ...]:
    """(table, part) of the files that a corrected readout has."""
    key = viability_key(corrected_name(readout))
    return (("viability", key), ("qc", key))


def make_corrected_viability(
    step: Context, readout: type[Readout], name: str, made: ScreenViability
) -> ScreenViability | None:
    """Take effects of place off a readout that was measured, and write the rows of `<readout>_corrected`.

    Without a correction, or where it has nothing to go by, earlier rows are removed. The readout stays as is.

    Args:
        step: screen, store and parameters.
        readout: the plugin's class.
        name: name of the readout; of a network's phase `<plugin>_<phase>`.
        made: its viability.

    Returns:
        What was made; of the attributes, `notes` alone says something where nothing was. None if none is asked for.

    Raises:
        InputError: screen.toml names a readout that there is none of.
    """
    from phenodose.quality.wells import is_left_out

    asked = _asked(step, readout, name)
    for table, part in corrected_parts(name):
        step.store.drop_table_part(table, step.screen_id, part)
    if asked.correction == "none":
        return None
    own = corrected_name(name)
    what = f"screen {step.screen_id}, readout {own}"
    normalisation = step.normalisation(readout, name)
    wells = made.wells
    raw = made.viability[["plate", "row", "column", "raw", "raw_sd"]].copy()
    left_out = made.viability["masked"].astype(bool) & (
        made.viability["flag"].notna() | is_left_out(made.viability["mask_reason"])
    )
    raw.loc[left_out, "raw"] = float("nan")
    try:
        corrected = corrected_readings(raw, wells, normalisation, asked, what)
        found = viability_of(
            corrected.raw,
            wells,
            own,
            normalisation,
            what=what,
            limits=step.limits,
            input_notes=[*step.notes_of("layout"), *made.values.notes],
        )
    except InputError as error:
        text = str(error).removeprefix(f"{what}: ")
        return ScreenViability(made.viability, made.qc, wells, made.values, {}, [f"readout {own} is not made: {text}"])
    rows = _with_images(found.viability, made.viability, left_out)
    provenance = step.provenance(made.values.plugin, made.values.checkpoint)
    viability = provenance.stamp(rows.assign(screen=step.screen_id))
    qc = provenance.stamp(found.qc.assign(screen=step.screen_id))
    key = viability_key(own)
    step.store.write_table("viability", step.screen_id, key, viability)
    step.store.write_table("qc", step.screen_id, key, qc)
    inputs: dict[str, Any] = {"correction": asked.model_dump(), "effects of place": corrected.effects.kinds}
    notes = [f"readout {own}, {note}" for note in [*corrected.notes, *found.notes]]
    return ScreenViability(viability, qc, wells, made.values, inputs, notes)


def _asked(step: Context, readout: type[Readout], name: str) -> CorrectionParameters:
    said = step.settings_of(VIABILITY, ViabilityParameters)
    correction = said.correction
    if isinstance(correction, dict):
        known = set()
        for one, cls in step.plugins.wanted("readout").items():
            known |= {one, *(cls.readout_names() if issubclass(cls, StagedReadout) else ())}
        if unknown := sorted(set(correction) - known):
            raise InputError(
                f"correction of {', '.join(unknown)}: there is no such readout; there are {', '.join(sorted(known))}."
            )
        correction = correction.get(name) or correction.get(readout.name) or "none"
    return CorrectionParameters(correction=correction, loess_of=said.loess_of, loess_span=said.loess_span)


def _with_images(rows: pd.DataFrame, measured: pd.DataFrame, left_out: pd.Series) -> pd.DataFrame:
    """Rows with what the images said of the wells; wells that were left out for a flag, or by a person, stay so."""
    rows = rows.copy()
    for column in _OF_IMAGES:
        rows[column] = measured[column].to_numpy()
    by_image = measured["flag"].isin(_IMAGE_FLAGS).to_numpy() & rows["flag"].isna().to_numpy()
    for column in ("flag", "flag_reason"):
        rows[column] = rows[column].where(~(by_image | left_out.to_numpy()), measured[column].to_numpy())
    for column in ("raw", "mask_reason"):
        rows[column] = rows[column].where(~left_out.to_numpy(), measured[column].to_numpy())
    return rows
