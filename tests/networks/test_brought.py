from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import physnn
from physnn import rng
from physnn.errors import InputError
from physnn.networks.brought import BroughtNetwork, load_class, probe
from physnn.networks.kuramoto.batch import Batch
from physnn.networks.kuramoto.evaluate import noisy_run
from physnn.networks.kuramoto.network import Architecture, KuramotoNetwork
from physnn.networks.source import located, module_digest, sources
from physnn.networks.tasks.transmogrifier import Transmogrifier
from physnn.store.network_file import read_networks

PATH = Path(physnn.__file__).parents[1] / "docs" / "akorn_layer.py"
_spec = importlib.util.spec_from_file_location("akorn_layer", PATH)
AKORN = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(AKORN)

OURS = '''
import torch
from physnn.networks.kuramoto.network import Architecture, KuramotoNetwork

class Ours(torch.nn.Module):
    """The Kuramoto network of physnn, as if somebody had brought it."""

    gamma, steps = 0.25, 4

    def __init__(self, weights):
        super().__init__()
        self.net = KuramotoNetwork(Architecture(), {name: w.numpy() for name, w in weights.items()})

    def lift(self, images):
        return self.net.lift_images(images)

    def step(self, x, noise):
        return self.net.step(x, self.net.symmetric_coupling(), noise, 1.0)

    def read_out(self, x):
        return self.net.read_out(x)

    def energy(self, x):
        return self.net.energy(x)
'''


def written(path: Path, text: str, name: str = "Net") -> str:
    path.write_text(text)
    return located(f"{path}:{name}")


def test_our_own_network_brought_from_outside_gives_our_own_numbers(tmp_path, network_file):
    place = written(tmp_path / "ours.py", OURS, "Ours")
    brought = sources(place, module_digest(place), (str(network_file),))
    ids = read_networks(network_file).ids
    assert len(brought) == 2 and not set(brought) & set(ids)
    source = next(iter(brought.values()))
    batch = Batch(24, "matched", 4, 0, 0, 3)
    for eta in (0.0, 0.2):
        # Under one identity both see the same images and noise.
        expected = noisy_run(str(network_file), ids[0], "cpu", batch, 4, eta)
        found = noisy_run(source, ids[0], "cpu", batch, 4, eta)
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            assert np.allclose(values, found[name], rtol=1e-4, atol=1e-6), (eta, name)
    other = noisy_run(source, ids[0], "cpu", batch, 4, 0.21)
    assert not np.allclose(other["overlap"], found["overlap"], rtol=1e-4)


def test_an_identity_is_that_of_class_and_weights(tmp_path):
    weights = AKORN.example_weights()
    save_file(weights, tmp_path / "a.safetensors")
    save_file(weights, tmp_path / "b.safetensors", {"written": "later"})
    save_file(weights | {"gamma": np.array(0.3, np.float32)}, tmp_path / "c.safetensors")
    digest = module_digest(f"{PATH}:AkornLayer")
    a, b, c = (list(sources("m", digest, (str(tmp_path / f"{n}.safetensors"),))) for n in "abc")
    assert a == b != c
    assert list(sources("m", "0" * 64, (str(tmp_path / "a.safetensors"),))) != a
    assert module_digest(f"{PATH}:Other") != digest


def test_an_installed_module_is_named_by_its_dots(tmp_path, monkeypatch):
    package = tmp_path / "brought_example"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text(PATH.read_text())
    monkeypatch.syspath_prepend(str(tmp_path))
    name = "brought_example.nets:AkornLayer"
    assert located(name) == name
    assert module_digest(name) == module_digest(f"{PATH}:AkornLayer")
    assert load_class(name, module_digest(name)).__module__ == "brought_example.nets"
    for loaded in [m for m in sys.modules if m.startswith("brought_example")]:
        del sys.modules[loaded]


def test_two_texts_of_one_length_and_second_are_told_apart(tmp_path):
    """The cache of compiled files would take one for the other."""
    body = "class Net:\n    size = {}\n    lift = step = read_out = print\n"
    place = written(tmp_path / "net.py", body.format(1))
    first = load_class(place, module_digest(place))
    place = written(tmp_path / "net.py", body.format(2))
    assert (first.size, load_class(place, module_digest(place)).size) == (1, 2)


GOOD = """
import torch
class Net:
    steps = 2
    def __init__(self, weights): pass
    def lift(self, images): return images[:, None]
    def step(self, x, noise): return x if noise is None else x + noise
    def read_out(self, x): return x[:, 0]
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("", "", None),
        ("def step", "def stop", "lacks step"),
        ("class Net", "class Other", "has no class Net"),
        ("import torch", "import nothing_like_it", "cannot be imported: ModuleNotFoundError"),
        ("import torch", "import torch(", "cannot be imported: SyntaxError"),
        ("weights): pass", "weights): weights['J']", "cannot be built from its weights: KeyError"),
        ("images[:, None]", "images", "lift must return"),
        ("return x if noise is None else x + noise", "return x.mean(1)", "step must return finite numbers"),
        ("return x if noise is None else x + noise", "return x / 0", "step must return finite numbers"),
        ("return x[:, 0]", "return x", "read_out must return"),
        ("return x[:, 0]", "raise RuntimeError('a\\nb')", "cannot take a step: RuntimeError: a b"),
        ("    def read_out", "    def energy(self, x): return x.sum()\n    def read_out", "energy must return"),
        (
            "    def read_out",
            "    def order_parameter(self, x): return x[:1, 0, 0]\n    def read_out",
            "order_parameter",
        ),
    ],
)
def test_what_is_not_as_agreed_is_told_in_one_sentence(tmp_path, old, new, message):
    place = written(tmp_path / "net.py", GOOD.replace(old, new, 1) if old else GOOD)

    def build():
        (source,) = sources(place, module_digest(place), ()).values()
        return probe(source, 24)

    if message is None:
        assert build().steps == 2 and build().gamma is None and build().numbers == 1
        return
    with pytest.raises(InputError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("net.py", "named as"),
        ("net.py:", "named as"),
        (":Net", "named as"),
        ("net.py:not a name", "named as"),
        ("absent.py:Net", "there is no file absent.py"),
    ],
)
def test_wrong_names_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        located(name)
    with pytest.raises(InputError, match="there is no module"):
        module_digest("physnn.nothing.like_it:Net")


def layer(**changes: np.ndarray):
    weights = AKORN.example_weights() | changes
    return AKORN.AkornLayer({name: torch.from_numpy(np.asarray(w)) for name, w in weights.items()})


def test_the_example_takes_the_step_of_its_source():
    """Without Omega the authors' code moves by x + P; that is our step at gamma / (1 + gamma)."""
    net = layer(gamma=np.array(AKORN.step_size(1.0, False), np.float32))
    assert net.gamma == 0.5
    images = torch.from_numpy(Transmogrifier(24).pairs(rng.stream(0, "synthetic", "images"), 2)[0])
    state = net.step(net.lift(images), None)
    x, c = state.chunk(2, 1)
    y = torch.nn.functional.conv2d(x, net.weights["coupling"], padding=1) + c
    theirs = AKORN.unit(x + 1.0 * (x + AKORN.project(x, y)))
    assert (net.step(state, None).chunk(2, 1)[0] - theirs).abs().max() < 1e-6
    assert (layer().step(state, None).chunk(2, 1)[0] - theirs).abs().max() > 1e-3
    turning = layer(
        omega=np.full(4, 0.5, np.float32), coupling=np.zeros((8, 8, 3, 3), np.float32), stimulus=np.zeros(8, np.float32)
    )
    x = turning.lift(images)
    after = turning.step(x, None).chunk(2, 1)[0]
    assert torch.allclose(AKORN.oscillators(after).norm(dim=2), torch.tensor(1.0))
    pairs, moved = x.chunk(2, 1)[0].unflatten(1, (-1, 2)), after.unflatten(1, (-1, 2))
    angle = torch.atan2(moved[:, :, 1], moved[:, :, 0]) - torch.atan2(pairs[:, :, 1], pairs[:, :, 0])
    expected = -np.arctan(0.25 * 0.5)
    assert (torch.remainder(angle - expected + np.pi, 2 * np.pi) - np.pi).abs().max() < 1e-5, "clockwise"


def test_the_example_lowers_its_energy_only_where_it_says_that_it_has_one():
    images = torch.from_numpy(Transmogrifier(24).pairs(rng.stream(0, "synthetic", "images"), 2)[0])

    def rises(net, energy) -> float:
        x, worst = net.lift(images), -np.inf
        for _ in range(12):
            after = net.step(x, None)
            worst, x = max(worst, (energy(after) - energy(x)).max().item()), after
        return worst

    assert hasattr(layer(), "energy") and rises(layer(), layer().energy) < 1e-6
    turning = layer(omega=np.full(4, 8.0, np.float32))
    assert not hasattr(turning, "energy") and rises(turning, turning._energy) > 1e-3


def test_depth_and_step_size_of_a_class_are_known(tmp_path):
    save_file(AKORN.example_weights(), tmp_path / "a.safetensors")
    place = f"{PATH}:AkornLayer"
    (source,) = sources(place, module_digest(place), (str(tmp_path / "a.safetensors"),)).values()
    net = BroughtNetwork(source)
    assert (net.steps, net.gamma, net.name) == (8, 0.25, "a")
    assert probe(source, 24).numbers == 16
    assert isinstance(KuramotoNetwork, type) and Architecture().layers == 0
