"""Descriptions of files: what they hold, by kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from physnn.analysis.curves.observables import available
from physnn.answers.exchange import exchanges_of
from physnn.answers.fit import controls_of, sampled_arrays
from physnn.answers.lines import varied
from physnn.answers.training.soft import soft_rows
from physnn.shipped import resolve
from physnn.store.ensemble_file import DISTANCES, ENSEMBLES, read_distances, read_ensembles
from physnn.store.hdf5 import content_digest
from physnn.store.network_file import NETWORKS, read_networks
from physnn.store.sweep_file import kind_of, read_sweep


def describe(name: str | Path) -> dict[str, Any]:
    """Description of a file: format, digest, recipe and, by kind, sizes and observables or networks.

    Raises
    ------
    InputError
        If there is no such file or it is not whole.
    """
    path = resolve(str(name))
    format_name, attrs = kind_of(path)
    facts: dict[str, Any] = {"file": str(path), "format": format_name, "digest": content_digest(path)}
    if format_name == NETWORKS:
        file = read_networks(path)
        facts["networks"] = {
            network: f"seed {seed}, validation RMSE {rmse:.4f}"
            for network, seed, rmse in zip(file.ids, file.seeds, file.validation_rmse, strict=True)
        }
    elif format_name in (ENSEMBLES, DISTANCES):
        facts |= _describe_ensembles(path, format_name)
    else:
        sweep = read_sweep(path)
        facts["sizes"] = {
            f"L{L}": ", ".join(f"{k}{list(v.values.shape)}" for k, v in group.items())
            for L, group in sweep.sizes.items()
        }
        if len(names := varied(sweep)) > 1:
            facts["control"] = f"{' and '.join(names)}; fit and plot a line with --at"
        elif any(map(controls_of, sweep.sizes.values())):
            control, sizes = sampled_arrays(sweep)
            facts["observables"] = ", ".join(available(sizes[next(iter(sizes))][1], control))
        if swaps := exchanges_of(sweep):
            facts["exchange"] = {f"L{each.L}": each.sentence() for each in swaps}
    if format_name in (NETWORKS, ENSEMBLES) and (rows := soft_rows(path)):
        facts["symmetries"] = {f"{row.ensemble}: {row.symmetry}": row.sentence() for row in rows}
    facts["recipe"] = json.loads(str(attrs.get("recipe", "{}")))
    names = ("physnn_version", "git_commit", "command", "created", "platform", "libraries")
    return facts | {key: attrs[key] for key in names if attrs.get(key)}


def _describe_ensembles(path: Path, format_name: str) -> dict[str, Any]:
    if format_name == DISTANCES:
        found = read_distances(path)[1]
        return {
            "distances": {name: f"{len(m)} kinds, {len(next(iter(m.values())))} replicas" for name, m in found.items()}
        }
    return {
        "ensembles": {
            name: f"{len(e.seeds)} replicas of {sum(v[0].size for v in e.weights.values()):,} numbers, "
            f"test accuracy {100 * e.measured['test_accuracy'].mean():.2f} %"
            for name, e in read_ensembles(path).ensembles.items()
        }
    }
