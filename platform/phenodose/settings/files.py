"""Who may read the files of a site: the table `[files]` of site.toml.

Does not belong here: how files become private (`phenodose.io.privacy`).
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from phenodose.errors import InputError
from phenodose.io.privacy import ReadableBy, readable_by


class FileSettings(BaseModel):
    """Who may read products, caches and what is on its way."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    readable_by: ReadableBy = Field(
        "owner", description="Who may read new files, as far as the user's umask lets them: owner, group or everyone"
    )


def readable_as_site_says(root: Path) -> None:
    """Let others read what is made from now on, if the site.toml of a store says so; a faulty one gives no rights."""
    from phenodose.settings.site import read_site

    with suppress(InputError, OSError):
        readable_by(read_site(root, {"files"}).files.readable_by)
