"""Answers as a notebook shows them: words, a table of the estimates, and the figure."""

from __future__ import annotations

import html
from dataclasses import fields

from physnn.analysis.verdict.fit import Fit


class ShownFit(Fit):
    """Fit that a notebook shows with its figure; everything else is as in `physnn.analysis.verdict.fit.Fit`."""

    def estimates(self) -> dict[str, str]:
        """Estimates in words by symbol; none where the verdict does not allow them."""
        best, control = self.collapse, self.curves.control
        if best is None:
            return {f"{control}_c": str(self.merging.best.critical_point)} if self.merging else {}
        found = {f"{control}_c": best.critical_point, "1/nu": best.inverse_nu, "zeta/nu": best.zeta_over_nu}
        return {name: str(value) for name, value in found.items() if value.value or value.error}

    def _repr_html_(self) -> str:
        """Verdict, estimates, figure, and the evidence folded away."""
        from physnn.figures.fit import sweep_figure
        from physnn.figures.style import as_svg

        first, *rest = repr(self).splitlines()
        rows = "".join(
            f"<tr><th>{html.escape(n)}</th><td>{html.escape(v)}</td></tr>" for n, v in self.estimates().items()
        )
        evidence = html.escape("\n".join(line.strip() for line in rest))
        return (
            f"<div><p><b>{html.escape(first)}</b></p><table>{rows}</table>{as_svg(sweep_figure(self))}"
            f"<details><summary>evidence</summary><pre>{evidence}</pre></details></div>"
        )


def for_notebooks(fit: Fit) -> ShownFit:
    """The same fit for a notebook."""
    return ShownFit(**{f.name: getattr(fit, f.name) for f in fields(fit)})
