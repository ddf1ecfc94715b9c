"""Curves to scores: every scorer over the curves of a readout, with what an add-on changes.

Belongs here: applying scorers for every face alike, why a scorer gives no score, and where reference samples come
from. Does not belong here: intervals (`phenodose.dose_response.scoring`) and formulas (plugins).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phenodose.errors import NotMade
from phenodose.io.files import hash_file
from phenodose.names import measured_name
from phenodose.pipeline.reference_samples import REFERENCE_NAMES, cohort_table
from phenodose.plugins import REFERENCE, PlateReaderReadout, Scorer, SelectiveScorer, StagedReadout, TensorReadout
from phenodose.screens.inside import named_file
from phenodose.store.curves import curves_key, read_curves
from phenodose.tables import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from phenodose.dose_response.curves import CurveBatch
    from phenodose.pipeline.context import Context

_SCORES = "scores"
#: Parameter of a scorer that names hits: the expected share of false ones among its calls.
RATE = "false_discovery_rate"
#: Version of the columns `p_hit_fraction` and `call`: what was scored before has none or others.
CALLS_VERSION = "2"


@dataclass(frozen=True)
class ScreenScores:
    """The scores of a screen by one scorer, as they stand in the store.

    Attributes:
        scores: rows of the table `scores`.
        plugin: the scorer.
        inputs: names and hashes of what was read.
    """

    scores: pd.DataFrame
    plugin: Scorer
    inputs: dict[str, Any]


def scores_key(scorer: str) -> str:
    """Asset key of a scorer's scores, also the part of the table that holds them."""
    return f"scores/{scorer}"


def scores_of(curves: CurveBatch, wells: pd.DataFrame, scorers: Sequence[Scorer]) -> list[pd.DataFrame]:
    """The scores of every curve by several scorers, which share what they need of each draw.

    Where a drug was given alone and with an add-on, rows of the scorer 'dc<scorer>' give the difference
    (`phenodose.dose_response.combination`).

    Args:
        curves: fitted curves; with draws every score has an interval.
        wells: `Layout.frame` (or the table `wells`) of the same samples.
        scorers: the scorers.

    Returns:
        One table a scorer with the columns of `score_with_all` and `call`: 'hit', 'borderline' or 'no hit' by the
        probability of every drug of a panel (`phenodose.dose_response.hits`); missing where there is none.

    Raises:
        NotMade: a scorer lacks what it needs.
        PluginError: a scorer returned something else than scores.
    """
    import pandas as pd

    from phenodose.dose_response.combination import combination_differences
    from phenodose.dose_response.hits import FALSE_DISCOVERY_RATE, with_calls
    from phenodose.dose_response.scoring import score_with_all

    tables = []
    for scorer, scored in zip(scorers, score_with_all(curves, scorers), strict=True):
        table = with_calls(scored, wells, getattr(scorer.parameters, RATE, FALSE_DISCOVERY_RATE))
        differences = combination_differences(table, wells)
        tables.append(pd.concat([table, differences], ignore_index=True) if len(differences) else table)
    return tables


def why_no_scores(curves: CurveBatch, scorer: Scorer) -> str:
    """Why the scorer scores none of the curves, if it says so of each; else ''.

    Raises:
        NotMade: it lacks what it needs for any score at all.
    """
    reasons = getattr(scorer.score(curves), "reason", None)
    if reasons is None or not curves.fitted.any():
        return ""
    texts = [str(reason) for reason in reasons[curves.fitted]]
    return "; ".join(dict.fromkeys(texts)) if all(texts) else ""


#: Stands for the readouts that a reason is of.
_READOUTS = "{readouts}"


def _together(reasons: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(reason.replace(_READOUTS, " and ".join(readouts)) for reason, readouts in reasons.items())


# --- of a screen in the store ---------------------------------------------------------------------


def make_scores(step: Context, scorer: type[Scorer], readouts: Sequence[str]) -> ScreenScores:
    """Score the stored curves of a screen and write the rows.

    Args:
        step: screen, store and parameters.
        scorer: the plugin's class.
        readouts: the readouts whose curves are scored, where there are curves.

    Raises:
        NotMade: there are no curves, or none that the scorer can score.
    """
    import pandas as pd

    inputs: dict[str, Any] = {}
    frames = []
    reasons: dict[str, list[str]] = {}
    wells = step.wells()
    doubts = _doubts(step, wells)
    plugin: Scorer | None = None
    for number, readout in enumerate(readouts, 1):
        batch = read_curves(step.store, step.screen_id, readout)
        if batch is None or step.block_of(curves_key(readout)) or step.block_of(f"viability/{readout}"):
            continue
        try:
            with scorer_of_screen(step, scorer, readout, inputs) as plugin:
                reason = why_no_scores(batch, plugin)
                rows = None if reason else scores_of(batch, wells, [plugin])[0]
        except NotMade as lacking:
            reason, rows = str(lacking).rstrip("."), None
        if rows is None or plugin is None:
            # What differs by the readout's name alone is said once.
            reasons.setdefault(reason.replace(f" of {readout},", f" of {_READOUTS},"), []).append(readout)
            continue
        part = step.store.table_part("curves", step.screen_id, curves_key(readout))
        inputs[curves_key(readout)] = hash_file(part)
        checkpoint = step.store.read_table("curves", step.screen_id, curves_key(readout))["checkpoint"].iloc[0]
        keys = zip(rows["sample"], rows["drug"], strict=True)
        said = [doubts.get(key) for key in keys] if _sees_images(step, readout) else [None] * len(rows)
        rows = rows.assign(screen=step.screen_id, doubt=pd.Series(said, index=rows.index, dtype=object))
        frames.append(step.provenance(plugin, checkpoint).stamp(rows))
        step.progress(number, len(readouts), readout)
    if not frames and reasons:
        raise NotMade(f"{scorer.name} scores no curve of {step.screen_id}: {_together(reasons)}.")
    if plugin is None or not frames:
        raise NotMade(f"{step.screen_id} has no curves; materialize one of its assets `curves/<readout>` first.")
    scores = pd.concat(frames, ignore_index=True)[TABLES[_SCORES].column_names]
    step.store.write_table(_SCORES, step.screen_id, scores_key(scorer.name), scores)
    return ScreenScores(scores, plugin, inputs)


def _doubts(step: Context, wells: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Sample and drug -> why its image scores are not to be trusted, as the readouts say that know it."""
    from phenodose.quality.trust import doubt, untrusted_drugs

    found: dict[tuple[str, str], str] = {}
    for name, cls in step.plugins.wanted("readout").items():
        if issubclass(cls, TensorReadout):
            viability = step.store.read_table("viability", step.screen_id, f"viability/{name}")
            found |= {key: doubt(count) for key, count in untrusted_drugs(viability, wells).items()}
    return found


def _sees_images(step: Context, readout: str) -> bool:
    """Whether a readout's viability is likeness to the controls in images, and nothing else."""
    classes, readout = step.plugins.wanted("readout"), measured_name(readout)
    cls = classes.get(readout)
    if cls is None:
        return any(issubclass(one, StagedReadout) and readout in one.readout_names() for one in classes.values())
    return not issubclass(cls, PlateReaderReadout) and not getattr(cls, "taught", False)


@contextmanager
def scorer_of_screen(step: Context, scorer: type[Scorer], readout: str, inputs: dict[str, Any]) -> Iterator[Scorer]:
    """The scorer with its parameters; one that compares gets reference samples.

    These are the table that its parameter `reference` names, else the store's reference_samples.csv or .xlsx, else the
    other samples of the store (`phenodose.pipeline.reference_samples`).

    Args:
        step: screen, store and parameters.
        scorer: the plugin's class.
        readout: the readout that is scored.
        inputs: gets the name and hash of the reference samples.

    Raises:
        NotMade: it compares with reference samples, and there are none that it can use.
    """
    parameters = step.parameters(scorer.name)
    if REFERENCE not in scorer.Parameters.model_fields:
        yield step.sandboxed(scorer, parameters)
        return
    path = _named_table(step, parameters)
    if path is not None:
        if path.is_file():
            inputs[path.name] = hash_file(path)
        yield _ready(step.sandboxed(scorer, {**parameters, REFERENCE: str(path)}))
        return
    compared = compared_scorer(step.sandboxed(scorer, parameters))
    with cohort_table(step.store, step.screen_id, readout, compared) as cohort:
        inputs[f"reference samples of {readout}"] = {"samples": cohort.n_samples, "hash": cohort.content_hash}
        yield _ready(step.sandboxed(scorer, {**parameters, REFERENCE: str(cohort.path)}))


def _named_table(step: Context, parameters: dict[str, Any]) -> Path | None:
    """The table of reference samples that somebody named or put into the store."""
    if named := parameters.get(REFERENCE):
        return named_file(step.screen.folder, str(named))
    of_store = (step.store.local_copy(step.store.root / name) for name in REFERENCE_NAMES)
    return next((path for path in of_store if path.is_file()), None)


def _ready(plugin: Scorer) -> Scorer:
    if isinstance(plugin, SelectiveScorer):
        _ = plugin.samples  # says what is lacking before anything is scored
    return plugin


def compared_scorer(plugin: Scorer) -> str | None:
    """The scorer whose scores are compared; None if the plugin does not say so."""
    return plugin.compared_scorer() if isinstance(plugin, SelectiveScorer) else None
