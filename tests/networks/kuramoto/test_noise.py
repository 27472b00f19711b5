from __future__ import annotations

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.networks.kuramoto.noise import KeyedNoise, tensor_normals


@pytest.mark.parametrize("components", [2, 4, 16])
def test_tensor_operations_give_the_same_normals_as_the_compiled_loop(components):
    keys = np.stack([rng.counter_key(1, "noise", "net", k) for k in range(3)])
    compiled = KeyedNoise(keys, components, 9)(11)
    tensors = tensor_normals(torch.from_numpy(keys.astype(np.int64)), 11, components, 9)
    assert compiled.shape == tensors.shape == (3, components, 9, 9)
    assert (compiled - tensors).abs().max() < 3e-6
