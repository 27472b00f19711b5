"""Models of colours that users bring to a sweep: the recipe holds their tables, so that no file needs their code."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from physnn.errors import InputError
from physnn.models import Lattice, Tabulated
from physnn.models.tabulated import MOST_COLOURS, tabulated
from physnn.networks.source import code_of_users, imported_class, located, module_digest
from physnn.samples.base import validated

Energy = Annotated[float, Field(ge=-1e100, le=1e100)]
"""Number with the unit of an energy; sums over all bonds, and their squares, stay within doubles."""
OrderPart = Annotated[float, Field(ge=-1e30, le=1e30)]
"""Part of an order vector; fourth powers of the sum over all sites, and their squares, stay within doubles."""
_Rows = tuple[tuple[Energy, ...], ...]


class ModelTables(BaseModel):
    """Tables of a model by colour, as of `physnn.models.Tabulated`: energies of bonds and sites, and orders."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Annotated[str, Field(max_length=100)]
    pair: Annotated[tuple[_Rows, ...], Field(min_length=1, max_length=2)]
    site: Annotated[tuple[Energy, ...], Field(min_length=2, max_length=MOST_COLOURS)]
    order: tuple[tuple[OrderPart, ...], ...]

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        q = len(self.site)
        for table in self.pair:
            square = [len(row) for row in table] == [q] * q
            if not square or tuple(zip(*table, strict=True)) != table:
                raise ValueError("energies of bonds make a symmetric table of all pairs of colours")
        lengths = {len(row) for row in self.order}
        if len(self.order) != q or len(lengths) != 1 or not 1 <= min(lengths) <= MOST_COLOURS:
            raise ValueError("every colour has an order, a number or a vector of one length")
        return self

    def on(self, lattice: Lattice) -> Tabulated:
        """Model on a lattice; its critical temperature is unknown."""
        alternates = self.pair[0][0][0] > self.pair[0][0][1]
        return Tabulated(lattice, self.name, self.pair, self.site, self.order, 0.0, alternates)

    def digest(self) -> str:
        """SHA-256 of all numbers, 64 hexadecimal digits."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def tables_of(model: Any, module: str) -> ModelTables:
    """Tables of a model that a user made; raises InputError, which names ``module``, if it is none."""
    with code_of_users(module):
        found = tabulated(model, Lattice("square", (2, 2)))
    plain = {"name": found.name[:100], "pair": found.pair, "site": found.site, "order": found.order}
    try:
        return validated(ModelTables, plain)
    except InputError as error:
        raise InputError(f"{module} cannot be swept: {error}") from None


def own_model(module: str) -> dict[str, Any]:
    """Settings of a recipe for a model that a user wrote; its code is run, here and nowhere else.

    Parameters
    ----------
    module : str
        ``FILE.py:CLASS`` or ``PACKAGE.MODULE:CLASS``; the class is what `physnn.models.on_lattice` takes, made without
        arguments.

    Raises
    ------
    InputError
        If there is no such class, or it is no model of colours.
    """
    place = located(module)
    digest = module_digest(place)
    made = imported_class(place, digest)
    with code_of_users(module):
        model = made()
    return {"model": "own", "module": place, "module_digest": digest, "tables": tables_of(model, module)}
