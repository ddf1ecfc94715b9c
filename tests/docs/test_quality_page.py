"""docs/quality.md is true: its tables are the declared figures, its settings are accepted."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from phenodose.quality.guide import renewed
from phenodose.quality.metrics import METRICS
from phenodose.quality.wells import FLAGS
from phenodose.settings.quality import resolve_limits
from phenodose.settings.site import SiteSettings

PAGE = (Path(__file__).parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_code() -> None:
    assert renewed(PAGE) == PAGE, "run `make docs`"


def test_every_figure_and_flag_stands_on_the_page_with_its_limits() -> None:
    told = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", PAGE, re.MULTILINE)
    assert sorted(name for name, _, _ in told) == sorted(METRICS)
    for name, good, poor in told:
        metric = METRICS[name]
        assert good == ("–" if metric.good is None else metric.limit_words["good"])
        assert poor == ("–" if metric.poor is None else metric.limit_words["poor"])
    for flag in FLAGS:
        assert f"| {flag} | " in PAGE


def test_the_settings_shown_are_accepted() -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    settings = SiteSettings.model_validate(tomllib.loads("\n".join(blocks)))
    limits = resolve_limits(settings.quality, site_wells=settings.wells)
    assert limits.blocking == {"zprime_robust"}
    assert limits.mask == ("empty", "saturated")
