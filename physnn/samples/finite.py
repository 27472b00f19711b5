"""Numbers that are not finite are told with where they arose, and never stored."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from physnn.errors import NotFinite


def check_finite(columns: Mapping[str, np.ndarray], where: str, axis: str, first: int = 0) -> None:
    """Look at what a task measured, before it is stored.

    Parameters
    ----------
    columns : mapping of str to ndarray
        What was measured, by name; the last axis of each counts what ``axis`` names.
    where : str
        Which task it is, for the message.
    axis : str
        ``measurement`` or ``image``.
    first : int
        Number of the first one of these.

    Raises
    ------
    NotFinite
        If a number is NaN or infinite; the message names the first one.
    """
    for name, values in columns.items():
        if values.dtype.kind == "f" and not (sound := np.isfinite(values)).all():
            place = int(np.argmin(sound.reshape(-1, sound.shape[-1]).all(axis=0)))
            number = values[..., place][~sound[..., place]].flat[0]
            raise NotFinite(
                f"{name} is {number} at {axis} {first + place} ({where}); what was saved before stays, and nothing "
                "after it is stored: check the couplings, the step size and the noise"
            )
