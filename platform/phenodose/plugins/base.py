"""What every plugin is: a small class with a name, a version, a description and validated parameters.

Belongs here: the base class and the contract version. Does not belong here: the five kinds (one module
each beside this one) and finding plugins (`registry`).
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from phenodose.errors import PluginError

#: Version of the plugin contract: raised when a plugin that kept it yesterday may fail today (a method, an argument,
#: a returned column or its meaning goes or changes). A plugin states the one it was written for in `contract`.
CONTRACT = 1
#: Name of the parameter that names a preset.
PRESET = "preset"
#: Longest label of a plugin: it stands above a column of a table.
LONGEST_LABEL = 40
#: Raised when something is added that a plugin may use and need not; begins at 0 again with every CONTRACT.
CONTRACT_MINOR = 5


class Parameters(BaseModel):
    """Base of a plugin's parameters: frozen, and unknown names are refused.

    Give every field a description and a range: they become the launchpad form, the help text and part
    of the lineage.

    A model with `presets` also declares the parameter `preset`, a choice of their names and None: the named values are
    taken for every parameter that nobody gave, and the model holds both the name and the values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Settings that belong together, by name; every preset says the same parameters.
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @model_validator(mode="before")
    @classmethod
    def _filled_by_the_preset(cls, given: Any) -> Any:
        return {**cls.of_preset(given), **given} if isinstance(given, Mapping) else given

    @classmethod
    def of_preset(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values of the preset that parameters name; none where they name none, or one that there is not."""
        name = given.get(PRESET)
        return cls.presets.get(name, {}) if isinstance(name, str) else {}

    @classmethod
    def layered(cls, general: Mapping[str, Any], special: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters said in two places: value by value the more special word wins, a preset with all that it says.

        Args:
            general: such as those of screen.toml.
            special: such as those of the launchpad.
        """
        return {**general, **cls.of_preset(special), **special}


class Plugin(ABC):
    """Base of readers, readouts, scorers, measures and embedders.

    A subclass sets the class variables; nothing heavy is imported at the top of its module, so that
    plugins can be listed quickly.
    """

    #: Name in the store, the asset graph and on the command line; equals the entry point's name.
    name: ClassVar[str]
    #: Version of the plugin's results: change it when the same input gives another output.
    version: ClassVar[str]
    #: One sentence for lists, the asset's description and the docs.
    description: ClassVar[str]
    #: Version of the contract that the plugin was written for: 1, or "1.2" if it needs what 1.2 added. A plugin that
    #: declares none was written for the first.
    contract: ClassVar[int | str] = 1
    #: Place among the plugins of its kind where one comes before another: the readout that ranks the drugs, the scorer
    #: that is taken where none is named, the map that distances are measured on. The least is the first, equal ones go
    #: by name. A site can say otherwise in the table [preferences] of site.toml.
    precedence: ClassVar[int] = 100
    #: Whether it is used only where site.toml names it in `[plugins] enable`. Came with contract 1.3.
    by_choice: ClassVar[bool] = False
    #: What reports call it, for readers who know no plugin names, in at most `LONGEST_LABEL` signs: "metabolic (ATP)";
    #: '' shows its name. A readout and a scorer that rank should have one. Came with contract 1.4.
    label: ClassVar[str] = ""
    #: The pydantic model of the parameters.
    Parameters: ClassVar[type[Parameters]] = Parameters

    parameters: Any

    def __init__(self, parameters: Mapping[str, Any] | BaseModel | None = None) -> None:
        """Make the plugin with these parameters; what is left out takes its default.

        Raises:
            PluginError: a parameter is unknown, of the wrong type or out of range.
        """
        if isinstance(parameters, BaseModel):
            parameters = parameters.model_dump()
        try:
            self.parameters = self.Parameters.model_validate(dict(parameters or {}))
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(str(p) for p in fault['loc']) or 'parameters'}: {fault['msg']}" for fault in error.errors()
            )
            names = ", ".join(self.Parameters.model_fields) or "none"
            raise PluginError(f"parameters of {self.name}: {faults} (its parameters are: {names}).") from error


def contract_text() -> str:
    """The contract that this phenodose speaks, as text: '1', or '1.2'."""
    return f"{CONTRACT}.{CONTRACT_MINOR}" if CONTRACT_MINOR else str(CONTRACT)


def contract_fault(declared: Any) -> str:
    """Why a plugin written for this contract cannot be used, naming both versions; '' if it can.

    Another version is refused either way; of the same version a plugin may be older in its minor part, not newer.
    """
    parts = str(declared).split(".")
    if isinstance(declared, bool | float) or len(parts) > 2 or not all(part.isdecimal() for part in parts):
        return f'declares the contract {declared!r}; write `contract = {CONTRACT}` or `contract = "{CONTRACT}.1"`'
    theirs = (int(parts[0]), int(parts[1]) if len(parts) == 2 else 0)
    ours = (CONTRACT, CONTRACT_MINOR)
    if theirs[0] == ours[0] and theirs <= ours:
        return ""
    remedy = "update phenodose" if theirs > ours else "install a newer version of the plugin"
    return f"was written for plugin contract {declared}, this phenodose speaks {contract_text()}: {remedy}"
