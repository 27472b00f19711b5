"""A sweep file as one object says what the calls of the same names say."""

from __future__ import annotations

import pytest

import physnn
from tests.conftest import planted_sizes


@pytest.fixture
def path(tmp_path):
    physnn.write_sweep(tmp_path / "p.h5", {"kind": "planted"}, planted_sizes(1, crosses=True))
    return tmp_path / "p.h5"


def test_a_sweep_does_what_the_calls_do(path):
    sweep = physnn.Sweep(str(path))
    assert sweep.facts["digest"] == physnn.content_digest(path) and sweep.facts["digest"] in repr(sweep)
    assert sweep.data["L16"]["rmse"].identical(physnn.open_datatree(path)["L16"]["rmse"])
    assert repr(sweep.fit(resamples=40, seed=3)) == repr(physnn.fit(path, resamples=40, seed=3))
    assert sweep.to_dataframe(["rmse"]).equals(physnn.curve_table(path, ["rmse"]))
    figure = sweep.plot(panels=["curves", "differences", "cloud"], resamples=40)
    assert len(figure.axes) == 3
    page = sweep.report(path.with_name("p.html"))
    assert page == path.with_name("p.html") and "crossing" in page.read_text()


def test_what_is_no_sweep_and_no_panel_are_refused(path, tmp_path):
    with pytest.raises(physnn.InputError, match="no panel 'clouds'; choose from curves"):
        physnn.Sweep(path).plot(panels=["clouds"])
    with pytest.raises(physnn.InputError, match="is no sweep"):
        physnn.Sweep("kuramoto_symmetric")
    with pytest.raises(physnn.InputError, match="no file"):
        physnn.Sweep(tmp_path / "none.h5")
