"""The plain loop over configurations against the plain reference in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from physnn.exact.signs.brute import kernel_arguments
from physnn.kernels.signs.losses import plain_losses
from physnn.models.signs import SignNetwork, Threshold


@pytest.mark.parametrize("hidden", ["tanh", "sign", "relu"])
@pytest.mark.parametrize("bias", [None, "first", "all"])
@pytest.mark.parametrize("constant", [None, 0.4])
def test_plain_loop(hidden, bias, constant):
    loss = "cross-entropy" if hidden == "relu" else "mse"
    output = "tanh" if hidden == "tanh" else "linear"
    network, task = SignNetwork((1, 2, 3, 1), hidden, output, constant, bias), Threshold(9, 2, loss)
    first, n = 2**network.weights - 300, 300
    out = np.empty(n)
    plain_losses(**kernel_arguments(network, task), first=first, out=out)
    expected = task.losses(network.outputs(network.configuration(first + np.arange(n)), task.x))
    np.testing.assert_allclose(out, expected, rtol=1e-13)
