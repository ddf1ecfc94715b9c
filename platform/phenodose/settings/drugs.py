"""What a site knows of drugs beside the library that ships: the table [drugs] of site.toml.

Belongs here: which file is named. Does not belong here: finding it (`phenodose.screens.drug_files`) and reading it
(`phenodose.drug_library`).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DrugSettings(BaseModel):
    """The site's own table of drugs; a relative path starts at the store."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    library: str | None = Field(
        None,
        min_length=1,
        description="Table laid over the drug library that ships; drug_library.csv of the store if left out",
    )
