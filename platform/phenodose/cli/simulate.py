"""`phenodose simulate`: a raw screen folder with known truth."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from phenodose.cli.output import json_option, plugins_at, print_json, progress_display


@click.command("simulate")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--screen", metavar="ID", default=None, help="Screen id; default: the name of OUT.")
@click.option(
    "--kind",
    type=click.Choice(["drug-screen", "control-experiment"]),
    default="drug-screen",
    show_default=True,
    help="A control experiment is one plate of DMSO and staurosporine wells.",
)
@click.option("--plates", type=int, default=3, show_default=True, help="Plates of a drug screen.")
@click.option("--drugs", type=int, default=8, show_default=True, help="Drugs: 5 doses each, in duplicate.")
@click.option(
    "--pairs", type=int, default=0, show_default=True,
    help="Pairs of drugs in 6 x 6 dose matrices of known Bliss, Loewe or interaction truth, on plates of their own.",
)  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same bytes.")
@click.option("--phase1", metavar="ID", default=None, help="Control experiment that the network starts from.")
@click.option("--control-wells", type=int, default=210, show_default=True, help="Wells of a control experiment.")
@click.option("--size-px", type=int, default=192, show_default=True, help="Image width; divides 768.")
@click.option("--planes", type=int, default=5, show_default=True, help="Planes of a z-stack.")
@click.option(
    "--morphology", metavar="NAME", default="rounded", show_default=True,
    help="What the sample looks like and how its cells die: rounded, detaching, fragmenting, swelling.",
)  # fmt: skip
@click.option(
    "--channels", type=click.Choice(["hoechst", "all"]), default="hoechst", show_default=True,
    help="all adds a death stain (PI) and bright-field, and names all three as inputs of networks in screen.toml.",
)  # fmt: skip
@json_option
def command(
    out: Path,
    screen: str | None,
    kind: str,
    plates: int,
    drugs: int,
    pairs: int,
    seed: int,
    phase1: str | None,
    control_wells: int,
    size_px: int,
    planes: int,
    morphology: str,
    channels: str,
    as_json: bool,
) -> None:
    """Write a raw screen folder with known truth.

    OUT is the screen folder itself and its name is the screen id; with --screen ID the screen folder is
    OUT/ID (or OUT, if that is its name already). It holds raw ImageXpress folders P1, P2, ..., layout.xlsx,
    ctg/, screen.toml, and the truth: truth_wells.csv and truth_drugs.csv (of a sample
    that is not rounded also truth_morphology.csv, with --pairs also truth_pairs.csv). _DONE is written last. A folder
    that was simulated before is replaced; any other folder with something in it is refused.

    \b
    Example: phenodose simulate inbox/SIM_R_001_V1_DS1 --drugs 8 --seed 1
    """
    from phenodose.simulation import simulate_screen

    with progress_display("simulate") as progress:
        made = simulate_screen(
            out,
            screen=screen,
            kind=kind,  # type: ignore[arg-type]  # click.Choice allows nothing else
            plates=plates,
            drugs=drugs,
            pairs=pairs,
            seed=seed,
            phase1=phase1,
            control_wells=control_wells,
            size_px=size_px,
            planes=planes,
            morphology=morphology,
            channels=channels,  # type: ignore[arg-type]  # as for kind
            progress=progress,
            plugins=plugins_at(),
        )
    if as_json:
        print_json(asdict(made))
        return
    click.echo(
        f"{made.folder}: {made.kind} {made.id}, {len(made.plates)} plate(s), {made.n_drugs} drugs, "
        f"{f'{made.n_pairs} pairs, ' if made.n_pairs else ''}{made.n_wells} wells with cells, {made.n_images} images"
    )
