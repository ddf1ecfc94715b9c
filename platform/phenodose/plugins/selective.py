"""Scorers that compare with reference samples: where they get these from, and what they share.

Belongs here: the parameter `reference`, by which the platform knows such scorers, and their base class. Does
not belong here: the table of reference samples and the formulas (`phenodose.dose_response`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from phenodose.errors import NotMade, PluginError
from phenodose.plugins.base import Parameters
from phenodose.plugins.scorers import Scorer, Scores

if TYPE_CHECKING:
    from phenodose.dose_response.curves import CurveBatch
    from phenodose.dose_response.reference_samples import ReferenceSamples
    from phenodose.plugins.registry import Registry

#: A scorer whose parameters have a field of this name is given the reference samples of the store or of
#: `phenodose score --reference`.
REFERENCE = "reference"
NO_REFERENCE = "no reference"


class ReferenceParameters(Parameters):
    """Parameters of a scorer that compares with reference samples."""

    reference: str | None = Field(
        default=None,
        description="Table of reference samples (path; a relative one starts at the screen's folder); "
        "reference_samples.csv or .xlsx of the store if left out",
    )


class SelectiveScorer(Scorer):
    """A scorer that compares the score of another one with its scores in reference samples, drug by drug.

    A subclass names the scorer and the comparison; the rest is done here. A drug that the reference does
    not hold has no score and the status 'no reference'.
    """

    Parameters = ReferenceParameters
    #: The scorer whose scores are compared.
    compared: ClassVar[str]
    #: 'difference': score - mean; 'z': (score - mean) / (SD + 1); 'robust': (score - median) / (MAD + 1).
    comparison: ClassVar[Literal["difference", "z", "robust"]]
    #: Where the compared scorer is found; None for everything that is installed.
    plugins: Registry | None = None

    @cached_property
    def samples(self) -> ReferenceSamples:
        """The reference samples.

        Raises:
            NotMade: none are given, or the table does not hold what the comparison needs.
            InputError: the table is missing or faulty.
        """
        from phenodose.dose_response.reference_samples import read_reference
        from phenodose.dose_response.selective import STATISTICS

        if not self.parameters.reference:
            raise NotMade(
                f"{self.name} compares with reference samples and there are none: put reference_samples.csv into the "
                f'store, or name a table in screen.toml ([parameters.{self.name}] reference = "..."), or with '
                "--reference."
            )
        samples = read_reference(self.parameters.reference).renamed(self._summary_name(), self.compared_scorer())
        needed = STATISTICS[self.comparison]
        if not samples.has(self.compared_scorer(), needed):
            raise NotMade(
                f"{self.name} needs {' and '.join(needed)} of {self.compared_scorer()} in reference samples, which "
                f"{samples.place} does not hold; give the scores of the single samples."
            )
        return samples

    def compared_scorer(self) -> str:
        """Name of the scorer whose scores are compared."""
        return self.compared

    def _summary_name(self) -> str:
        from phenodose.plugins.registry import registry

        try:
            plugin: Any = (self.plugins or registry()).get("scorer", self.compared_scorer())
            return str(plugin.summary_name)
        except PluginError:  # told when the scorer is needed
            return ""

    @cached_property
    def _scorer(self) -> Scorer:
        from phenodose.plugins.registry import registry

        plugins = self.plugins or registry()
        fields = plugins.get("scorer", self.compared_scorer()).Parameters.model_fields
        own = self.parameters.model_dump()
        shared = {name: own[name] for name in fields if name in own and name != REFERENCE}
        scorer: Scorer = plugins.create("scorer", self.compared_scorer(), shared)
        return scorer

    def score(self, curves: CurveBatch) -> Scores:
        """The compared scores of every curve; the curves' key `drug` names the drug."""
        import numpy as np
        import pandas as pd

        from phenodose.dose_response.selective import STATISTICS, selective

        if "drug" not in curves.keys.columns:
            raise NotMade(f"{self.name} compares drugs by name, and these curves have no key `drug`.")
        result = self._scorer.score(curves)
        value = np.asarray(getattr(result, "value", result), dtype=np.float64)
        codes, drugs = pd.factorize(curves.keys["drug"].astype(str))
        of_drugs = [
            self.samples.statistic(self.compared_scorer(), name, list(drugs))[codes]
            for name in STATISTICS[self.comparison]
        ]
        known = np.isfinite(np.stack(of_drugs)).all(axis=0)
        return Scores(
            np.where(known, selective(value, *of_drugs), np.nan),
            reason=np.where(known, "", NO_REFERENCE).astype(object),
        )
