"""physnn: phase transitions in lattice models and in neural networks, measured with the same statistics."""

from __future__ import annotations

import importlib
from typing import Any

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
        module, _, own = _PUBLIC[name].partition(":")
        return getattr(importlib.import_module(module), own or name)
    raise AttributeError(f"module 'physnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
