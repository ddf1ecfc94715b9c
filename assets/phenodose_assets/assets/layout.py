"""The asset `layout`: the wells of a screen as its layout file gives them."""

from __future__ import annotations

from phenodose.errors import PhenodoseError
from phenodose.io.files import hash_file
from phenodose.pipeline.context import Context, Result
from phenodose.plugins import choose_reader
from phenodose.tables import TABLES
from phenodose_assets.graph import metadata

LAYOUT = "layout"


def _make_layout(step: Context) -> Result:
    from phenodose.screens.contents import layout_of_screen

    screen = step.screen
    layout = layout_of_screen(screen)
    path = layout.path
    wells = layout.frame.assign(
        screen=screen.id, run_id=step.run_id, sample=layout.frame["sample"].fillna(screen.sample)
    )
    step.store.write_table("wells", screen.id, LAYOUT, wells[TABLES["wells"].column_names])
    row = {
        "screen": screen.id,
        # The layout's own word counts first, as in the rows of its wells and their scores.
        "sample": layout.samples[0] if len(layout.samples) == 1 else screen.sample,
        "kind": screen.kind,
        "entity": screen.entity,
        "reader": _reader_name(step),
        "n_plates": len(layout.plates),
        "n_drugs": len(layout.drugs),
        "source": screen.folder.name,
        "run_id": step.run_id,
    }
    step.store.write_table("screens", screen.id, LAYOUT, TABLES["screens"].frame([row]))
    counts = wells.groupby(["plate", "well_type"], sort=False).size().rename("n_wells").reset_index()
    return Result(
        show=lambda: {
            "wells": metadata.table(counts, rows=24),
            "drugs": ", ".join(layout.drugs) or "none",
            "source": metadata.path(path),
            **metadata.numbers({"n wells": len(wells), "n drugs": len(layout.drugs), "n plates": len(layout.plates)}),
        },
        inputs={path.name: hash_file(path)}
        | ({"sheet": sheet} if (sheet := screen.settings.layout.sheet) else {})
        | ({curated.name: hash_file(curated)} if (curated := screen.well_classes_path) else {}),
        notes=layout.notes,
    )


def _reader_name(step: Context) -> str | None:
    """Name of the reader that will read the screen's images; None without images."""
    screen = step.screen
    if not screen.plate_folders:
        return None
    try:
        folder = next(iter(screen.plate_folders.values()))
        return choose_reader(folder, step.plugins, screen.reader, screen.parameters, step.log.warning).name
    except PhenodoseError:
        return screen.reader
