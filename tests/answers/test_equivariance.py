"""Equivariance of trained networks, layer by layer, from the command line."""

from __future__ import annotations

import json

from click.testing import CliRunner

from physnn.cli import cli
from physnn.networks.classifiers.replicas import ClassifierRecipe
from physnn.networks.tasks.problem import ProblemRecipe
from physnn.samples.training.classifiers import train_ensembles


def test_networks_of_fields_are_equivariant_and_plain_ones_in_part(tmp_path):
    problem, out = ProblemRecipe(train=16, test=40), tmp_path / "nets.h5"
    names = ("simple", "d4_fields")
    members = {name: (ClassifierRecipe(network=name, epochs=0), problem) for name in names}
    train_ensembles(members, (0, 1), out=out, engine="loop")
    words = ["equivariance", str(out), "--group", "d4", "--images", "40", "--json", "--quiet"]
    ended = CliRunner().invoke(cli, [*words, "--figure", str(tmp_path / "e.png")], standalone_mode=False)
    assert ended.return_value == 3 and (tmp_path / "e.png").stat().st_size > 10_000
    rows = {(row["ensemble"], row["layer"]): row for row in json.loads(ended.output)["layers"]}
    # 20 images do not tell a rotation of 64 channels.
    few = {("simple", "hidden"), ("d4_fields", "hidden"), ("d4_fields", "shaped.2")}
    assert few <= rows.keys()
    for (name, layer), row in rows.items():
        expected = "equivariant" if name == "d4_fields" else "in part"
        assert row["verdict"] == ("undecided (more images needed)" if (name, layer) in few else expected), (name, layer)
    assert rows["d4_fields", "output of the network"]["still"]["value"] < 1e-10
    assert rows["simple", "first"]["mixed"]["value"] < rows["simple", "first"]["still"]["value"]
    assert {layer for name, layer in rows if name == "simple"} == {"first", "second", "hidden", "output of the network"}
