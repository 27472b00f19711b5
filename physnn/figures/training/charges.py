"""Figure of charges of learning along a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from physnn.analysis.replicas.charges import ChargeCourse
from physnn.figures.style import errorbar, new_figure

MOST_CHARGES = 8
"""Charges of an ensemble that are drawn, the first ones."""


def charges_figure(courses: Mapping[str, Sequence[ChargeCourse]], titles: Mapping[str, str]) -> Figure:
    """Figure of the change of every charge, summed over its units: a row for each charge, a column for each ensemble.

    Measured values are means over replicas with their scatter as error; lines are what the lengths of the steps
    predict, and gradient flow.

    Parameters
    ----------
    courses : mapping of str to sequence of ChargeCourse
        Charges by ensemble.
    titles : mapping of str to str
        Title of each column.
    """
    names = list(dict.fromkeys(course.name for some in courses.values() for course in some[:MOST_CHARGES]))
    figure = new_figure(4.2 * len(courses) + 1.2, 2.3 * len(names) + 0.8)
    panels = figure.subplots(len(names), len(courses), sharex="col", squeeze=False)
    for column, (ensemble, some) in enumerate(courses.items()):
        known = {course.name: course for course in some[:MOST_CHARGES]}
        for row, name in enumerate(names):
            axes = panels[row, column]
            if name not in known:
                axes.set_axis_off()
                continue
            course = known[name]
            measured, predicted = course.total(course.measured), course.total(course.predicted)
            first = measured[:, :1]
            scatter = (measured - first).std(0, ddof=1) if len(measured) > 1 else np.zeros(len(course.steps))
            change = (measured - first).mean(0)
            errorbar(axes, 0, course.steps, change, scatter, ms=4, ls="none", label="measured")
            axes.plot(course.steps, (predicted - first).mean(0), "-", color="black", lw=1.2, label="finite steps")
            axes.plot(course.steps, (course.flow - first).mean(0), "--", color="0.5", lw=1.2, label="gradient flow")
            axes.set_title(f"{titles[ensemble]}\n{name}" if row == 0 else name, fontsize=9)
            axes.ticklabel_format(axis="y", scilimits=(-2, 3))
        panels[-1, column].set_xlabel("steps")
    for row in panels:
        row[0].set_ylabel("change (dimensionless)", fontsize=9)
    lines, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(lines, labels, frameon=False, fontsize=9, ncols=3, loc="outside lower center")
    return figure
