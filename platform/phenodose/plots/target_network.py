"""The network of a sample's hits: drugs, their targets, the genes that link them, and what the sample has of them.

Does not belong here: what stands in it and where (`phenodose.drug_targets.network`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from phenodose.drug_targets.network import HitNetwork, Places, placed
from phenodose.io.frames import rows_of
from phenodose.plots.palette import BLUE, GREY, INK, PALE, VERMILLION
from phenodose.plots.svg import Canvas

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Expression beyond which the colour does not grow.
_FULL = 3.0
_RADIUS = 7.0
_HEADER = 40.0


def target_network(network: HitNetwork, title: str, links: Mapping[str, str] | None = None, seed: int = 0) -> Canvas:
    """The picture: drugs are squares, genes circles; a filled circle is expressed more or less, a ring is altered.

    Args:
        network: what stands in it.
        title: names the picture for those who do not see it.
        links: drug -> address within the page.
        seed: of the places.
    """
    genes = {str(row.target): row for row in rows_of(network.genes)}
    # A drug may be called like a gene.
    drug_node = {drug: f"\0{drug}" for drug in network.drugs}
    pairs = [(drug_node[drug], gene) for drug, gene in network.aims]
    acting = [(str(row.source), str(row.target)) for row in rows_of(network.interactions)]
    places = placed([*drug_node.values(), *genes], [*pairs, *acting], seed)
    canvas = Canvas(max(places.width, 700.0), places.height + _HEADER, title, interactive=True)
    _legend(canvas, network)
    for row in rows_of(network.interactions):
        _line(canvas, places, str(row.source), str(row.target), GREY, _of_interaction(row), arrow=bool(row.directed))
    for drug, gene in pairs:
        _line(canvas, places, drug, gene, VERMILLION, f"{drug[1:]} aims at {gene}", dashed=True)
    for drug, node in drug_node.items():
        _drug(canvas, *_at(places, node), drug, (links or {}).get(drug, ""))
    for gene, row in genes.items():
        _gene(canvas, *_at(places, gene), gene, row)
    return canvas


def _at(places: Places, node: str) -> tuple[float, float]:
    x, y = places.at[node]
    return x, y + _HEADER


def _line(
    canvas: Canvas,
    places: Places,
    first: str,
    second: str,
    colour: str,
    title: str,
    dashed: bool = False,
    arrow: bool = False,
) -> None:
    (x1, y1), (x2, y2) = _at(places, first), _at(places, second)
    dash = Markup(' stroke-dasharray="3 3"') if dashed else Markup("")
    canvas.add(
        Markup(
            '<path d="M{:.1f} {:.1f}L{:.1f} {:.1f}" stroke="{}" stroke-width="1.1"{}><title>{}</title></path>'
        ).format(x1, y1, x2, y2, colour, dash, title)
    )
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
    if arrow and length > 3 * _RADIUS:
        dx, dy = (x2 - x1) / length, (y2 - y1) / length
        tip_x, tip_y = x2 - dx * (_RADIUS + 2), y2 - dy * (_RADIUS + 2)
        back_x, back_y = tip_x - 6 * dx, tip_y - 6 * dy
        canvas.add(
            Markup('<path d="M{:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}z" fill="{}"/>').format(
                tip_x, tip_y, back_x - 3 * dy, back_y + 3 * dx, back_x + 3 * dy, back_y - 3 * dx, colour
            )
        )


def _drug(canvas: Canvas, x: float, y: float, drug: str, link: str) -> None:
    shape = Markup('<path d="M{:.1f} {:.1f}h10v10h-10z" fill="{}"><title>{}</title></path>').format(
        x - 5, y - 5, VERMILLION, drug
    )
    canvas.add(Markup('<a href="{}" aria-label="{}">{}</a>').format(link, drug, shape) if link else shape)
    canvas.text(x, y + 18, _short(drug))


def _gene(canvas: Canvas, x: float, y: float, gene: str, row: Any) -> None:
    is_target = row.n_drugs > 0
    expressed = row.expression == row.expression and row.expression is not None
    fill = _colour(float(row.expression)) if expressed else "#fff" if is_target else PALE
    altered = isinstance(row.mutation, str)
    if altered:
        canvas.add(
            Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{:g}" fill="none" stroke="{}" stroke-width="1.6"/>').format(
                x, y, _RADIUS + 3.5, INK
            )
        )
    canvas.add(
        Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{:g}" fill="{}" stroke="{}"{}><title>{}</title></circle>').format(
            x,
            y,
            _RADIUS,
            fill,
            INK,
            Markup("") if is_target else Markup(' stroke-dasharray="2 2"'),
            _of_gene(gene, row),
        )
    )
    label = f"{gene} {row.mutation}" if altered else gene
    canvas.text(x, y + (23 if altered else 19), _short(label), css="title" if altered else "")


def _of_gene(gene: str, row: Any) -> str:
    """What is known of a gene, for the pointer."""
    said = [gene]
    if row.n_drugs:
        said.append(f"{row.n_hits} of {row.n_drugs} of its drugs are hits ({row.drugs})")
    else:
        said.append("no drug of the screen aims at it")
    if row.n_hit_interactions == row.n_hit_interactions and row.n_hit_interactions:
        said.append(f"interacts with {row.n_hit_interactions:.0f} targets of hits")
    if isinstance(row.mutation, str):
        said.append(f"altered: {row.mutation}")
    if row.expression == row.expression and row.expression is not None:
        said.append(f"expression {row.expression:+.2g} ({row.expression_unit})")
    return "; ".join(said)


def _of_interaction(row: Any) -> str:
    sign = "→" if row.directed else "–"
    kind = f": {row.interaction}" if isinstance(row.interaction, str) and row.interaction else ""
    score = f" (score {row.score:g})" if row.score == row.score else ""
    return f"{row.source} {sign} {row.target}{kind}{score}"


def _legend(canvas: Canvas, network: HitNetwork) -> None:
    """What the signs mean; expression and alterations where there are any."""
    y = 14.0
    canvas.add(Markup('<path d="M8 {:g}h10v10h-10z" fill="{}"/>').format(y - 5, VERMILLION))
    canvas.text(23, y + 4, "drug that is a hit", "start")
    x = 140.0
    entries = [("#fff", "its target", "", False)]
    if (network.genes["n_drugs"] == 0).any():
        entries.append((PALE, "gene that links targets", "2 2", False))
    if network.genes["expression"].notna().any():
        unit = str(network.genes["expression_unit"].dropna().iloc[0])
        entries += [(_colour(_FULL), f"expressed more ({unit})", "", False), (_colour(-_FULL), "less", "", False)]
    if network.genes["mutation"].notna().any():
        entries.append(("#fff", "altered in the sample", "", True))
    for fill, words, dashes, ring in entries:
        dash = Markup(' stroke-dasharray="{}"').format(dashes) if dashes else Markup("")
        canvas.add(Markup('<circle cx="{:g}" cy="{:g}" r="5" fill="{}" stroke="{}"{}/>').format(x, y, fill, INK, dash))
        if ring:
            canvas.add(Markup('<circle cx="{:g}" cy="{:g}" r="8" fill="none" stroke="{}"/>').format(x, y, INK))
        canvas.text(x + 12, y + 4, words, "start")
        x += 32 + 6.1 * len(words)


def _colour(value: float) -> str:
    """White to vermillion with more expression, white to blue with less."""
    share = min(abs(value) / _FULL, 1.0)
    full = VERMILLION if value > 0 else BLUE
    parts = (int(full[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (part - 255) * share):02x}" for part in parts)


def _short(text: str) -> str:
    return text if len(text) <= 20 else f"{text[:19]}…"
