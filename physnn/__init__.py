"""physnn: phase transitions in lattice models and in neural networks, measured with the same statistics."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names, for checkers of types
    from physnn.analysis.curves.tables import fit_arrays as fit_arrays
    from physnn.answers.comparisons import compare as compare
    from physnn.answers.comparisons import fit_dynamic as fit_dynamic
    from physnn.answers.comparisons import fit_joint as fit_joint
    from physnn.answers.fit import fit as fit
    from physnn.answers.formats.export import curve_table as curve_table
    from physnn.answers.formats.export import export as export
    from physnn.answers.lines import on_line as on_line
    from physnn.api import recipe as recipe
    from physnn.api import run as run
    from physnn.api import sample as sample
    from physnn.api import sweep as sweep
    from physnn.api import sweep_coupling as sweep_coupling
    from physnn.api import sweep_memory as sweep_memory
    from physnn.api import sweep_noise as sweep_noise
    from physnn.api import sweep_percolation as sweep_percolation
    from physnn.api import sweep_temperature as sweep_temperature
    from physnn.api import train_kuramoto as train_kuramoto
    from physnn.errors import InputError as InputError
    from physnn.networks.tasks.expansion_law import expansion_law as expansion_law
    from physnn.reports.objects.sweeps import Sweep as Sweep
    from physnn.reports.report_files import written_page
    from physnn.rng import stream as stream
    from physnn.shipped import bundled as bundled
    from physnn.store.hdf5 import Variable as Variable
    from physnn.store.hdf5 import content_digest as content_digest
    from physnn.store.network_file import read_networks as read_networks
    from physnn.store.sweep_file import open_datatree as open_datatree
    from physnn.store.sweep_file import read_sweep as read_sweep
    from physnn.store.sweep_file import write_sweep as write_sweep

    report = written_page

__version__ = "0.1.0"

_PUBLIC = {
    "Sweep": "physnn.reports.objects.sweeps",
    "sample": "physnn.api",
    "sweep": "physnn.api",
    "recipe": "physnn.api",
    "run": "physnn.api",
    "sweep_noise": "physnn.api",
    "sweep_temperature": "physnn.api",
    "sweep_percolation": "physnn.api",
    "sweep_coupling": "physnn.api",
    "sweep_memory": "physnn.api",
    "fit": "physnn.answers.fit",
    "on_line": "physnn.answers.lines",
    "fit_arrays": "physnn.analysis.curves.tables",
    "fit_dynamic": "physnn.answers.comparisons",
    "fit_joint": "physnn.answers.comparisons",
    "curve_table": "physnn.answers.formats.export",
    "export": "physnn.answers.formats.export",
    "report": "physnn.reports.report_files:written_page",
    "compare": "physnn.answers.comparisons",
    "train_kuramoto": "physnn.api",
    "open_datatree": "physnn.store.sweep_file",
    "read_sweep": "physnn.store.sweep_file",
    "write_sweep": "physnn.store.sweep_file",
    "read_networks": "physnn.store.network_file",
    "content_digest": "physnn.store.hdf5",
    "Variable": "physnn.store.hdf5",
    "expansion_law": "physnn.networks.tasks.expansion_law",
    "stream": "physnn.rng",
    "bundled": "physnn.shipped",
    "InputError": "physnn.errors",
}
__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that importing physnn costs nothing."""
    if name in _PUBLIC:
        from physnn.errors import naming_extras

        module, _, own = _PUBLIC[name].partition(":")
        with naming_extras():
            return getattr(importlib.import_module(module), own or name)
    raise AttributeError(f"module 'physnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
