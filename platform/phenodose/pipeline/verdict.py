"""What may be made of a screen's answer, in words: one verdict from everything that bears on it.

Belongs here: which readout ranks the drugs, and the verdict on a screen: quality metrics, steps that failed or were
skipped, wells that are left out, drugs without a score, products that are older than their inputs. Report, cohort
report, `phenodose run`, `phenodose screen list`, the asset of the report and SQL (`screens.verdict`) all say what this
module says. Does not belong here: the metrics and their thresholds (`phenodose.quality`), and how pages show them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from phenodose.io.frames import rows_of
from phenodose.lineage.freshness import STEP_COLUMNS, InputStates, changes_since
from phenodose.names import in_a_row
from phenodose.pipeline.hits import is_hit, not_judged, standing_calls
from phenodose.plugins import Preferences

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.store.store import Store

#: Levels, the gravest first: do not rely on it, with care, sound, not judged.
LEVELS = ("fail", "warn", "pass", "none")
Level = Literal["fail", "warn", "pass", "none"]
#: Share of a screen's drug wells without a value from which on a screen is to be used with care.
MANY_LEFT_OUT = 0.1
#: Assets of drug screens with images whose absence a reader of the answer should know of: what waits for a network that
#: was not trained is not tried itself.
_READINGS = ("viability/", "checkpoint/")
#: Longest part of a reason that is quoted.
_QUOTED = 240
#: Tables that bear on the verdict, and the columns of them.
_READ = {
    "wells": ("plate", "well", "well_type"),
    "viability": ("plate", "well", "readout", "masked", "viability_fraction"),
    "scores": (
        *("screen", "sample", "readout", "replicate", "scorer", "drug"),
        *("score", "hit", "p_hit_fraction", "call"),
    ),
    "qc": ("screen", "sample", "readout", "verdict"),
    "plates": ("plate",),
    "not_made": ("asset", "outcome", "reason"),
}


@dataclass(frozen=True)
class ScreenVerdict:
    """The verdict on a screen.

    Attributes:
        level: 'fail', 'warn', 'pass', or 'none' where nothing was judged.
        sentences: what it rests on, the gravest first; each a sentence for someone who knows no quality metric.
    """

    level: Level
    sentences: tuple[str, ...]

    @property
    def words(self) -> str:
        """All sentences in one text."""
        return " ".join(self.sentences)


def ranking_scorer(scores: pd.DataFrame, preferences: Preferences) -> str | None:
    """The scorer that ranks: the first of those that name hits; None without any."""
    return next(iter(preferences.ordered_scorers(scores.loc[scores["hit"].notna(), "scorer"].unique())), None)


def ranking_readout(pooled: pd.DataFrame, readouts: Iterable[str]) -> str | None:
    """The readout that ranks the drugs: the first with a score; None without any.

    Args:
        pooled: rows of the table `scores` of one scorer, all replicates together.
        readouts: names, the most wanted first.
    """
    scored = set(pooled.loc[pooled["score"].notna(), "readout"])
    return next((name for name in readouts if name in scored), None)


def ranked_drugs(store: Store, screen: str, preferences: Preferences | None = None) -> pd.DataFrame:
    """Pooled scores of a screen by the readout and scorer that rank its drugs, the most sensitive first.

    Args:
        store: the store.
        screen: screen id.
        preferences: order of readouts and scorers; those of the store's site if None.

    Returns:
        Rows of the table `scores` with the calls that stand and `readout_failed` (`phenodose.pipeline.hits`): no drug
        is a hit by a readout that failed its quality check.

    Raises:
        StoreError: a file of a table is damaged.
    """
    tables = {name: store.read_table(name, screen) for name in ("scores", "qc")}
    return ranked_rows(tables, preferences or Preferences.of_store(store))


def ranked_rows(tables: Mapping[str, pd.DataFrame], preferences: Preferences) -> pd.DataFrame:
    """As `ranked_drugs`, of the rows `scores` and `qc` of a screen, or of one of its samples."""
    scores = tables["scores"]
    pooled = scores[(scores["replicate"] == "pooled") & (scores["scorer"] == ranking_scorer(scores, preferences))]
    rows = pooled[
        pooled["readout"] == ranking_readout(pooled, preferences.ordered_readouts(pooled["readout"].unique()))
    ]
    rows = standing_calls(rows, tables["qc"])
    return rows.sort_values(["score", "drug"], ascending=[False, True], na_position="last").reset_index(drop=True)


def verdict_of(store: Store, screen: str) -> ScreenVerdict:
    """The verdict on a screen of a store, as of now.

    Raises:
        StoreError: a file of a table is damaged.
    """
    stale = [change.sentence for change in changes_since(store, screen)]
    return screen_verdict(_tables(store, screen), Preferences.of_store(store), stale)


def screen_verdict(
    tables: Mapping[str, pd.DataFrame], preferences: Preferences, stale: Sequence[str] = ()
) -> ScreenVerdict:
    """The verdict that a screen's rows give.

    Args:
        tables: frames of one screen, by table.
        preferences: order of readouts and scorers at the site.
        stale: sentences on what is older than its inputs.
    """
    scores = tables["scores"]
    readouts = preferences.ordered_readouts({*tables["viability"]["readout"].unique(), *scores["readout"].unique()})
    pooled = scores[(scores["replicate"] == "pooled") & (scores["scorer"] == ranking_scorer(scores, preferences))]
    ranked_by = ranking_readout(pooled, readouts)
    found: list[tuple[Level, str]] = [
        *_of_steps(tables, ranked_by),
        *(("warn", sentence) for sentence in stale),
        *_of_quality(tables["qc"], readouts, ranked_by),
        *_of_wells(tables, ranked_by),
        *_of_drugs(pooled, ranked_by),
        *_of_calls(pooled[pooled["readout"] == ranked_by], tables["qc"]),
    ]
    judged = [level for level, _ in found if level != "none"]
    level: Level = min(judged, key=LEVELS.index) if judged else "none"
    # What is good of a screen is not what is said first of one that is to be used with care.
    ordered = sorted(found, key=lambda each: LEVELS.index(each[0]))
    return ScreenVerdict(level, tuple(_plain(sentence, level) for _, sentence in ordered))


def _plain(sentence: str, level: Level) -> str:
    """The praise of a sound screen is left out where the screen as a whole is not sound."""
    good = "Good: "
    if level == "pass" or not sentence.startswith(good):
        return sentence
    rest = sentence.removeprefix(good)
    return rest[0].upper() + rest[1:]


def _of_steps(tables: Mapping[str, pd.DataFrame], ranked_by: str | None) -> list[tuple[Level, str]]:
    """Steps that failed, and readouts and networks of a drug screen with images that were skipped."""
    rows = tables["not_made"].sort_values("asset")
    failed = [row for row in rows_of(rows) if row.outcome == "failed"]
    found: list[tuple[Level, str]] = []
    if failed:
        ranking = f" The drugs are ranked by {ranked_by}, from what was made." if ranked_by else ""
        told = " ".join(f"`{row.asset}` failed: {_quoted(row.reason)}" for row in failed)
        found.append(("warn" if ranked_by else "fail", f"Incomplete: {told}{ranking}"))
    if len(tables["plates"]) and tables["wells"]["well_type"].eq("therapy").any():
        skipped = [row for row in rows_of(rows) if row.outcome == "skipped" and str(row.asset).startswith(_READINGS)]
        found += [("none", f"Not made: {row.asset} ({_quoted(row.reason).rstrip('.')}).") for row in skipped]
    return found


def _quoted(reason: object) -> str:
    """A reason in one line, cut at a word where it is long, with a stop at its end."""
    line = " ".join(str(reason).split())
    if len(line) > _QUOTED:
        line = line[:_QUOTED].rsplit(" ", 1)[0] + " ..."
    return line if line.endswith((".", "...")) else f"{line}."


def _of_quality(qc: pd.DataFrame, readouts: Sequence[str], ranked_by: str | None) -> list[tuple[Level, str]]:
    """What the quality metrics of the readouts say, the one that ranks the drugs above all."""
    if qc.empty:
        return [("none", "Quality was not judged: the store holds no quality figure of this screen.")]
    found: dict[str, set[str]] = {}
    for readout, verdict in zip(qc["readout"].tolist(), qc["verdict"].tolist(), strict=True):
        found.setdefault(readout, set()).add(verdict)
    worst = {
        readout: next((name for name in LEVELS if name in verdicts), "none") for readout, verdicts in found.items()
    }
    failed, warned, passed = (
        [name for name in readouts if worst.get(name) == level] for level in ("fail", "warn", "pass")
    )
    if ranked_by in failed:
        others = f"; {_and(passed)} passed" if passed else ""
        return [
            ("fail", f"Interpret with great care: {ranked_by}, which ranks the drugs, failed a quality check{others}.")
        ]
    if failed:
        ranking = f" The ranking is by {ranked_by}, which did not fail." if ranked_by else ""
        return [("warn", f"Do not rely on {_and(failed)}: quality checks failed.{ranking}")]
    if warned:
        return [("warn", f"Usable with care: some quality figures of {_and(warned)} are below the usual.")]
    if not passed:
        return [("none", "Quality was not judged: no quality figure has a limit.")]
    return [("pass", f"Good: every quality check of {_and(passed)} passed.")]


def _of_wells(tables: Mapping[str, pd.DataFrame], ranked_by: str | None) -> list[tuple[Level, str]]:
    """Drug wells of the ranking readout without a value."""
    wells, viability = tables["wells"], tables["viability"]
    if ranked_by is None:
        return []
    read = viability[viability["readout"] == ranked_by]
    with_value = read[read["viability_fraction"].notna() & ~read["masked"].eq(True)]
    used = {*zip(with_value["plate"].tolist(), with_value["well"].tolist(), strict=True)}
    therapies = wells[wells["well_type"] == "therapy"]
    drugs = list(zip(therapies["plate"].tolist(), therapies["well"].tolist(), strict=True))
    lost = sum(place not in used for place in drugs)
    if not lost:
        return []
    share = lost / len(drugs)
    plates = sorted({plate for plate, _ in drugs} - {plate for plate, well in drugs if (plate, well) in used})
    whole = f", among them all of plate {_and(plates)}" if plates else ""
    level: Level = "warn" if share >= MANY_LEFT_OUT or plates else "none"
    percent = f"{100 * share:.0f}" if share >= 0.005 else "under 1"
    return [(level, f"{lost} of {len(drugs)} drug wells ({percent} %) have no value of {ranked_by}{whole}.")]


def _of_drugs(pooled: pd.DataFrame, ranked_by: str | None) -> list[tuple[Level, str]]:
    """Drugs without a score, and without any the sentence that there is no answer."""
    if ranked_by is None:
        scored = "no drug has a score" if len(pooled) else "the store holds no scores of this screen"
        return [("none", f"There is no ranking of drugs: {scored}.")]
    rows = pooled[pooled["readout"] == ranked_by]
    without = sorted(rows.loc[rows["score"].isna(), "drug"])
    if not without:
        return []
    return [("none", f"{len(without)} of {len(rows)} drugs have no score: {_few(without)}.")]


def _of_calls(ranked: pd.DataFrame, qc: pd.DataFrame) -> list[tuple[Level, str]]:
    """Hits that do not count, and scores of which nobody said how sure they are."""
    if ranked.empty:
        return []
    readout = str(ranked["readout"].iloc[0])
    if not_judged(ranked):
        return [("none", f"Hits are not judged: the scores of {readout} have no draws; score the screen again.")]
    lost = sorted(set(ranked.loc[is_hit(ranked) & ~is_hit(standing_calls(ranked, qc)), "drug"]))
    return [("none", f"No drug counts as a hit by {readout}, as it failed; it names {_few(lost)}.")] if lost else []


def _few(names: Sequence[str]) -> str:
    if any("," in name for name in names):
        return in_a_row([*names[:3], *([f"and {len(names) - 3} more"] if len(names) > 3 else [])])
    return _and(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


class ScreenJudge(InputStates):
    """What the cohort says of every screen beside its rows: what is older than its inputs, the verdict, the ranking."""

    #: Columns that `judge` needs, by table.
    reads: Mapping[str, Sequence[str]] = {**_READ, "runs": STEP_COLUMNS}

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._preferences = Preferences.of_store(store)

    def judge(self, screen: str, tables: Mapping[str, pd.DataFrame] | None = None) -> Mapping[str, str | int | None]:
        """Cells of the columns of `screens` that the cohort fills in.

        Args:
            screen: its id.
            tables: its rows of the tables in `reads`; None to read them from the store.

        Raises:
            StoreError: a file of a table is damaged.
        """
        stale = [
            change.sentence for change in changes_since(self.store, screen, None if tables is None else tables["runs"])
        ]
        rows = _tables(self.store, screen) if tables is None else tables
        found = screen_verdict(rows, self._preferences, stale)
        ranked = ranked_rows(rows, self._preferences)
        return {
            "stale": " ".join(stale) or None,
            "verdict": found.level,
            "verdict_reason": found.words,
            "ranked_by": str(ranked["readout"].iloc[0]) if len(ranked) else None,
            "n_hits": int(is_hit(ranked).sum()) if len(ranked) and not not_judged(ranked) else None,
        }


def _tables(store: Store, screen: str) -> dict[str, pd.DataFrame]:
    return {name: store.read_table(name, screen) for name in _READ}
