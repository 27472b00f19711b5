"""The master function of a fit, as it is drawn."""

import numpy as np

from physnn.analysis.collapse.single import without_corrections
from physnn.analysis.curves.tables import fit_arrays
from tests.answers.test_tables import corrected


def test_points_without_their_corrections_lie_on_the_master_curve():
    best = fit_arrays(*corrected(0), resamples=50).collapse
    chosen = best.scan.best
    points, (x_c, inverse_nu, zeta, _) = best.points.chosen(chosen.mask), chosen.solution.parameters
    values, u, F = without_corrections(points, chosen.form, chosen.solution)
    where, factor = (points.x - x_c) * points.L**inverse_nu, points.L**-zeta
    rest = (values - np.interp(where, u, F)) / (points.error * factor)
    assert chosen.form.corrected and np.abs(rest - chosen.solution.residuals).max() < 0.01
    # The negative control: as they were measured they lie far from it.
    assert np.mean(((points.y * factor - np.interp(where, u, F)) / (points.error * factor)) ** 2) > 5
