"""`phenodose targets`: at which targets of drugs the sample of a screen is sensitive, and the network of its hits.

Does not belong here: judging targets (`phenodose.pipeline.targets`, a step of `phenodose run`).
"""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phenodose.cli.output import json_option, open_screens, print_json, store_option
from phenodose.errors import InputError, StoreError

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.store.store import Store

#: Characters of the name of a picture.
_LONGEST_NAME = 150
_SHOWN = ("target", "n_drugs", "n_hits", "mean_score", "lower", "upper", "p_value", "q_value")
_NETWORK = ("n_hit_interactions", "expected_hit_interactions", "hub_q_value")
_OMICS = ("mutation", "expression")


@click.command("targets")
@click.argument("screen")
@click.option("--readout", help="Readout whose scores are compared; default the one that ranks.")
@click.option("--scorer", help="Scorer whose scores are compared; default the one that ranks.")
@click.option("--most", default=20, show_default=True, type=click.IntRange(1), help="Targets that are printed.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Also write targets.csv, target_interactions.csv and a picture (SVG) of each sample's network into DIR.",
)  # fmt: skip
@store_option
@json_option
def command(
    screen: str, readout: str | None, scorer: str | None, most: int, out: Path | None, store: str | None, as_json: bool
) -> None:
    """Tell at which targets of its drugs the sample of SCREEN is sensitive.

    A target is judged by the mean score of its drugs, against drugs drawn at random. Targets come from drug_targets.csv
    and interactions from interactions.sif in the store, see docs/drug_targets.md.

    \b
    Example: phenodose targets BT-40_V1_DS1 --out targets
    """
    opened = open_screens(store, screen)
    rows, edges = _stored(opened, screen)
    chosen = _chosen(opened, screen, rows, readout, scorer)
    written = _write(out, rows, edges, chosen, screen) if out else []
    if as_json:
        print_json(
            {
                "targets": json.loads(chosen.to_json(orient="records")),
                "interactions": json.loads(edges.to_json(orient="records")),
                "files": [str(file) for file in written],
            }
        )
        return
    for (sample, of_readout, of_scorer), found in chosen.groupby(["sample", "readout", "scorer"], sort=False):
        click.echo(f"{sample}, {of_scorer} of {of_readout}:")
        shown = [*_SHOWN, *(name for name in (*_NETWORK, *_OMICS) if found[name].notna().any())]
        table = found[found["n_drugs"] > 0].sort_values(["p_value", "mean_score"], ascending=[True, False])
        click.echo(table[shown].head(most).to_string(index=False, float_format="{:.3g}".format, na_rep="-") + "\n")
    for file in written:
        click.echo(str(file))


def _stored(store: Store, screen: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = store.read_table("targets", screen)
    if rows.empty:
        made = sorted(set(store.read_table("targets")["screen"]))
        raise StoreError(
            f"screen {screen!r}: the store {store.root} holds no targets of it (screens with targets: "
            f"{', '.join(made) or 'none'}); write drug_targets.csv (columns drug and gene) into the store and "
            f"make them with `phenodose run {screen} --select targets`."
        )
    return rows, store.read_table("target_interactions", screen)


def _chosen(store: Store, screen: str, rows: pd.DataFrame, readout: str | None, scorer: str | None) -> pd.DataFrame:
    """The rows of the readout and scorer that are asked for, or that rank."""
    from phenodose.reports.data import ScreenData

    data = ScreenData.load(store, screen)
    for column, named, ranks in (("readout", readout, data.ranking_readout), ("scorer", scorer, data.scorer)):
        there = list(dict.fromkeys(rows[column]))
        if named is not None and named not in there:
            raise InputError(f"screen {screen!r} has no targets by the {column} {named!r}; name {' or '.join(there)}.")
        wanted = named or (ranks if ranks in there else there[0])
        rows = rows[rows[column] == wanted]
    return rows


def _write(out: Path, rows: pd.DataFrame, edges: pd.DataFrame, chosen: pd.DataFrame, screen: str) -> list[Path]:
    """All targets and interactions as tables, and the network of every sample as chosen; all of them or none."""
    from phenodose.drug_targets.network import hit_network
    from phenodose.io.files import written_aside
    from phenodose.io.spreadsheet_text import harmless_frame
    from phenodose.plots.target_network import target_network

    tables = {"targets.csv": rows, "target_interactions.csv": edges}
    contents = {name: harmless_frame(table).to_csv(index=False).encode() for name, table in tables.items()}
    for (sample, readout), found in chosen.groupby(["sample", "readout"], sort=False):
        network = hit_network(found, edges)
        if network is not None:
            plain = name = re.sub(r"[^\w.-]+", "_", f"network_{sample}_{readout}")[:_LONGEST_NAME]
            number = 1
            while f"{name}.svg" in contents:  # of 'A B' and 'A_B'
                number += 1
                name = f"{plain}_{number}"
            contents[f"{name}.svg"] = target_network(network, f"Network of the hits of {sample}, {screen}").picture()
    try:
        with ExitStack() as stack:
            for name, content in contents.items():
                stack.enter_context(written_aside(out / name)).write_bytes(content)
    except OSError as error:
        raise InputError(f"{error.filename or out}: cannot be written ({error.strerror}).") from error
    return [out / name for name in contents]
