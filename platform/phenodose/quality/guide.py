"""The docs page of the quality metrics, made from their declarations.

Belongs here: the tables of docs/quality.md between its marks. Does not belong here: the prose around them.
"""

from __future__ import annotations

from phenodose.quality.gates import Limits
from phenodose.quality.metric import Metric, Step
from phenodose.quality.metrics import METRICS
from phenodose.quality.wells import FLAGS

_STEPS: dict[Step, str] = {
    "viability": "Told with every viability (`viability/<readout>`)",
    "curves": "Told with every fit (`curves/<readout>`)",
    "cohort": "Told with the cohort (view `control_drift`, check of `cohort_db`)",
}


def metrics_markdown() -> str:
    """All metrics by the step that tells them: meaning, formula, limits, source."""
    parts = []
    for step, title in _STEPS.items():
        lines = [
            f"### {title}",
            "",
            "| figure | what it finds | formula | good | poor | source |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_line(name, metric) for name, metric in METRICS.items() if metric.step == step]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def flags_markdown() -> str:
    """The flags of doubtful wells, the gravest first."""
    lines = ["| flag | the well |", "|---|---|", *(f"| {name} | {text} |" for name, text in FLAGS.items())]
    lines += ["", f"A well is unlike its like from {Limits.most_sd:g} robust SDs on (`most_sd`)."]
    lines += [f"Its image is strange from {Limits.most_image_distance:g} on (`most_image_distance`)."]
    return "\n".join(lines)


def _line(name: str, metric: Metric) -> str:
    formula = metric.formula.replace("|", "\\|")
    good, poor = (metric.limit_words.get(side, "–") for side in ("good", "poor"))
    return f"| `{name}` | {metric.meaning} | {formula} | {good} | {poor} | {metric.source} |"


def renewed(page: str) -> str:
    """The page with the text between its marks made anew."""
    for name, text in (("figures", metrics_markdown()), ("flags", flags_markdown())):
        start, end = f"<!-- {name}: made by docs/generate.py -->", f"<!-- end of {name} -->"
        before, rest = page.split(start)
        page = f"{before}{start}\n\n{text}\n\n{end}{rest.split(end)[1]}"
    return page
