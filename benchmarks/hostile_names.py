"""Names that are written like programs, through every field in which a person may write one, in every place shown.

Run: python benchmarks/hostile_names.py

A metabolic screen is made whose names are hostile, once in markup (a tag with a script, a Markdown picture of another
server, a link that runs a script) and once in characters that move the cursor and name the terminal. A field that
refuses the name is told and then given a harmless one. Every place in which people read names is then searched, by the
parser of its own language, for anything of a name that has become more than text.

- html: a tag, an attribute or an address of a name;
- Markdown (Dagster's metadata): a picture, a link or a tag of a name;
- terminal: a character that is none of a line of text.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path

import click
import numpy as np
import pandas as pd
import tomli_w
from markdown_it import MarkdownIt

from phenodose.store.store import Store
from phenodose_assets.instance import open_instance

SCREEN = "NAMES_V1_DS1"
FIELDS = ("sample", "drug", "add-on", "control", "plate", "replicate", "entity", "class", "target")
_SELECT = "layout,viability/ctg,curves/ctg,scores/dss_asym,patient_report"


def _markup(number: int) -> str:
    return (
        f"<img src=x onerror=h{number}()></script><b>![h{number}](http://h{number}.example/x.png)"
        f"[a](javascript:h{number}())`h{number}`"
    )


def _control(number: int) -> str:
    return f"h{number}\x1b]0;h{number}\x07\x1b[2Jh{number}\x08\u202eh{number}"


KINDS: dict[str, Callable[[int], str]] = {"markup": _markup, "control characters": _control}


@click.command()
def main() -> None:
    """Make both screens, look everywhere, and print what was found."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (kind, name_of) in enumerate(KINDS.items()):
            place = Path(folder) / str(number)
            place.mkdir()
            # Its own home, wherever the command is given.
            (place / "home").mkdir()
            os.environ["DAGSTER_HOME"] = str(place / "home")
            names = {field: name_of(position) for position, field in enumerate(FIELDS)}
            refused = [field for field in FIELDS if _is_refused(place, {field: names[field]})]
            taken = {field: name for field, name in names.items() if field not in refused}
            for where, live in _looked(place, taken).items():
                rows.append({"names": kind, "place": where, "fields taken": len(taken), "more than text": len(live)})
                for found in live:
                    click.echo(f"{kind}, {where}: {found!r}", err=True)
            if refused:
                click.echo(f"{kind}: refused with a sentence: {', '.join(refused)}")
    table = pd.DataFrame(rows)
    click.echo(table.to_string(index=False))
    sys.exit(int(table["more than text"].sum()) > 0)


def _is_refused(place: Path, names: dict[str, str]) -> bool:
    """Whether the door refuses a screen with such a name."""
    folder = place / "tried" / SCREEN
    _write(folder, names)
    done = _phenodose("screen", "init", str(folder), "--overwrite")
    if done.returncode not in (0, 2):
        raise click.ClickException(done.stderr)
    return done.returncode == 2


def _write(folder: Path, names: dict[str, str]) -> None:
    """A screen of one plate: a layout with readings, and a screen.toml."""

    def named(field: str, harmless: str) -> str:
        return names.get(field, harmless)

    rng = np.random.default_rng(1)
    rows = []
    common = {"Plate": named("plate", "P1"), "Sample": named("sample", "S1")}
    for number in range(40):
        well = {"Row": "ABCDEFGH"[number // 10], "Column": number % 10 + 1, **common}
        if number < 20:
            dose, drug = number % 5, ("other", named("drug", "drug"))[number % 10 // 5]
            well |= {"WellType": "therapy", "Treatment": drug, "Concentration": 10.0**dose}
            well |= {"Replicate": named("replicate", "1") if number < 10 else "2"}
            reading = 1e5 / (1 + 10.0 ** (dose - 2))
        else:
            kind, reading = ("neg", 1e5) if number % 2 else ("pos", 5e3)
            well |= {"WellType": kind, "Treatment": named("control", "STS") if kind == "pos" else "DMSO"}
        if "add-on" in names and (number < 5 or number >= 30):
            well |= {"AddOn": names["add-on"]}
        rows.append(well | {"Readout": reading * rng.normal(1, 0.03)})
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / "layout.csv", index=False)
    settings = {
        "entity": named("entity", "entity"),
        "drugs": {named("drug", "drug"): {"class": named("class", "class"), "targets": [named("target", "target")]}},
    }
    (folder / "screen.toml").write_bytes(tomli_w.dumps(settings).encode())


def _looked(place: Path, names: dict[str, str]) -> dict[str, list[str]]:
    """What of the names has become more than text, by place."""
    folder, store = place / SCREEN, place / "store"
    _write(folder, names)
    drug = names.get("drug", "drug")
    at = f"--store={store}"
    said = {
        "terminal of run": ("run", str(folder), at, f"--select={_SELECT}"),
        "terminal of score": ("score", f"--layout={folder / 'layout.csv'}", f"--out={place / 'scores.csv'}"),
        "terminal of why": ("why", SCREEN, drug, at),
        "terminal of screen list": ("screen", "list", at),
        "terminal of screen show": ("screen", "show", SCREEN, at),
        "terminal of sql, scores": ("sql", "SELECT sample, drug, readout FROM scores", at),
        "terminal of sql, wells": ("sql", "SELECT DISTINCT plate, treatment, add_on FROM wells", at),
        "terminal of sql, drugs": ("sql", "SELECT * FROM drugs", at),
    }
    found: dict[str, list[str]] = {}
    for where, arguments in said.items():
        done = _phenodose(*arguments)
        if done.returncode:
            raise click.ClickException(f"{where}: {done.stderr}")
        found[where] = _live_in_terminal(done.stdout + done.stderr)
    pages = {"report": f"{SCREEN}.html", "cohort report": "_cohort.html"}
    for where, name in pages.items():
        found[where] = _live_in_html((store / "reports" / name).read_text(encoding="utf-8"))
    found["Dagster's metadata"] = _live_in_markdown(_metadata(store))
    return found


def _live_in_terminal(text: str) -> list[str]:
    """Characters that are no part of a line of text."""
    signs = {sign for sign in text if unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")}
    return sorted(signs - {"\n", "\t"})


class _Page(HTMLParser):
    """Collects what a name has become in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.live: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at the tag's attributes."""
        for name, value in attrs:
            address = (value or "").strip().lower()
            if name.startswith("on") and address[:1] == "h" and address[1:2].isdigit():
                self.live.append(f"<{tag} {name}={value}>")
            if name in ("src", "href", "action", "xlink:href") and (
                address == "x" or ".example" in address or address.startswith("javascript:")
            ):
                self.live.append(f"<{tag} {name}={value}>")


def _live_in_html(text: str) -> list[str]:
    page = _Page()
    page.feed(text)
    return page.live


def _live_in_markdown(texts: Iterable[str]) -> list[str]:
    """Pictures, links and tags that are none of ours."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    live = []
    for text in texts:
        tokens = [one for token in parser.parse(text) for one in (token, *(token.children or ()))]
        for token in tokens:
            address = str(token.attrGet("src") or token.attrGet("href") or "")
            if ".example" in address or address.startswith("javascript:"):
                live.append(f"{token.type} {address}")
            if token.type.startswith("html") and "onerror" in token.content:
                live.append(token.content)
    return live


def _metadata(store: Path) -> list[str]:
    """Every text that Dagster shows as Markdown."""
    import dagster as dg

    with open_instance(Store.open(store)) as instance:
        records = [
            record
            for key in instance.all_asset_keys()
            for record in instance.fetch_materializations(key, limit=1).records
        ]
    values = [
        value
        for record in records
        if record.asset_materialization is not None
        for value in record.asset_materialization.metadata.values()
    ]
    return [value.md_str or "" for value in values if isinstance(value, dg.MarkdownMetadataValue)]


def _phenodose(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "phenodose", *arguments], capture_output=True, text=True)


if __name__ == "__main__":
    main()
