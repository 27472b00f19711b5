from __future__ import annotations

import numpy as np
import pytest

from physnn.figures.diagnosis import diagnosis_figure
from physnn.figures.style import save
from tests.analysis.order.test_diagnosis import healthy, with_measured


@pytest.mark.parametrize("diagnosis", [healthy(), with_measured(overlaps_far=1 - np.tile([0.4, 1e-3], 6))])
def test_a_page_shows_spectrum_depths_walls_and_damage_with_labels(diagnosis, tmp_path):
    figure = diagnosis_figure(diagnosis)
    panels = [a for a in figure.axes if a.get_xlabel()]
    assert len(panels) == 7 and all(a.get_ylabel() for a in panels)
    words = " ".join(figure.axes[7].texts[0].get_text().split())
    assert words == " ".join(f"- {sentence}" for sentence in diagnosis.findings.values())
    zone = panels[0].images[0]
    left, right, bottom, top = zone.get_extent()
    place = np.argmax(zone.get_array()[4])
    assert left + (place + 0.5) * (right - left) / 8 == pytest.approx(0, abs=1e-12), "the top is drawn at q = 0"
    assert (left, right) == (bottom, top)
    assert save(figure, tmp_path / "page.png").stat().st_size > 10_000
