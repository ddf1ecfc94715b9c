"""Targets of drugs and how they interact, for all screens of a site: the table [targets] of site.toml.

Belongs here: which files are named. Does not belong here: finding them (`phenodose.screens.target_files`) and reading
them (`phenodose.drug_targets`).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TargetSettings(BaseModel):
    """Files of targets and interactions; a relative path starts at the store."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    drug_targets: str | None = Field(
        None,
        min_length=1,
        description="Table of drugs and their target genes; drug_targets.csv of the store if left out",
    )
    interactions: str | None = Field(
        None, min_length=1, description="Interactions between genes; interactions.sif or .tsv of the store if left out"
    )
    gene_names: str | None = Field(
        None,
        min_length=1,
        description="Table from the identifiers of that file to gene symbols, for STRING protein.info",
    )
    least_score: float | None = Field(
        None, ge=0, description="Interactions of a lower score are left out, in the file's own unit; all if left out"
    )
