"""Figures of files, answers and networks: each call draws one and returns its path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physnn.analysis.memory.contrast import MemoryAnswer
from physnn.analysis.verdict.fit import Fit
from physnn.analysis.verdict.size_law import SizeLaw
from physnn.analysis.verdict.universality import Comparison
from physnn.answers.equilibrium import order_record
from physnn.answers.fit import curves, default_observable, fit
from physnn.answers.flow import FlowAnswer
from physnn.answers.lines import on_line
from physnn.answers.training.forms import form_arrays, paired_tests
from physnn.errors import InputError
from physnn.figures.compare import compare_figure, overlay_figure
from physnn.figures.fit import fit_figure, panel_figure, sweep_figure
from physnn.figures.memory import memory_figure
from physnn.figures.networks import image_figure, training_figure
from physnn.figures.size_law import size_law_figure
from physnn.figures.structure import structure_figure
from physnn.figures.style import save
from physnn.shipped import resolve
from physnn.store.ensemble_file import read_ensembles
from physnn.store.network_file import read_networks
from physnn.store.sweep_file import SweepFile, read_sweep

if TYPE_CHECKING:
    from physnn.answers.bottleneck.angles import AngleAnswer
    from physnn.answers.bottleneck.matches import MatchAnswer
    from physnn.answers.symmetry.charges import ChargeAnswer
    from physnn.answers.training.equivariance import Equivariance


def plot_fit(answer: Fit, out: Path) -> Path:
    """Draw everything a fit rests on; return the figure's path."""
    return save(fit_figure(answer), out)


def plot_size_law(answer: SizeLaw, out: Path) -> Path:
    """Draw values at one control value with the law that they follow; return the figure's path."""
    return save(size_law_figure(answer), out)


def plot_compare(comparison: Comparison, out: Path) -> Path:
    """Draw a comparison; return the figure's path."""
    return save(compare_figure(comparison), out)


def plot_sweep(
    path: Path,
    observable: str | None = None,
    out: Path | None = None,
    answer: Fit | None = None,
    at: Mapping[str, float] | None = None,
    panels: Sequence[str] = (),
) -> Path:
    """Draw the curves of a sweep with the crossing and collapse, or with their differences; return the figure's path.

    ``answer`` is the fit to draw where it is known already; ``at`` chooses a line, see `physnn.answers.lines.on_line`;
    ``panels`` are names of `physnn.figures.fit.FIT_PANELS`, drawn in a row in place of the usual two.
    """
    sweep = on_line(read_sweep(path, states=False), at=at)
    usual = observable is None or observable == default_observable(sweep)
    line = "".join(f"-{name}-{value:g}" for name, value in (at or {}).items())
    ending = f"{line}.png" if usual else f"{line}-{observable}.png"
    answer = answer or _drawable(sweep, observable)
    figure = panel_figure(answer, panels) if panels else sweep_figure(answer)
    return save(figure, out or path.with_name(path.stem + ending))


def plot_sweeps(
    paths: Sequence[Path],
    observable: str | None = None,
    out: Path | None = None,
    at: Mapping[str, float] | None = None,
) -> Path:
    """Draw the curves of several sweeps over each other; return the figure's path.

    Raises
    ------
    InputError
        If they differ in their control parameter, or one has no such observable.
    """
    stems = [path.stem for path in paths]
    names = stems if len(set(stems)) == len(stems) else [str(path) for path in paths]
    sweeps = [on_line(read_sweep(path, states=False), at=at) for path in paths]
    found = {name: curves(sweep, observable) for name, sweep in zip(names, sweeps, strict=True)}
    return save(overlay_figure(found), out or Path("sweeps.png"))


def _drawable(sweep: SweepFile, observable: str | None) -> Fit:
    """Fit of a sweep, or its curves alone where they are too few to compare."""
    try:
        return fit(sweep, observable)
    except InputError as error:
        return Fit(curves(sweep, observable), [], "undecided", str(error), 1.0)


def plot_structure(path: Path, out: Path | None = None) -> Path:
    """Draw structure factors and energy maps of the largest size of an equilibrium sweep; return the PNG's path."""
    sweep = read_sweep(path)
    found = order_record(sweep)
    if found is None:
        raise InputError(f"{path} has no structure factors; they belong to sweep-noise --mode equilibrium")
    L, group = max(sweep.sizes.items())
    T, structure, energy = (group[name].values for name in ("T", "structure", "energy_map"))
    figure = structure_figure(L, T, structure, energy, found.order().wave_vectors)
    return save(figure, out or path.with_name(f"{path.stem}-structure.png"))


def plot_memory(path: Path, out: Path | None = None, answer: MemoryAnswer | None = None) -> Path:
    """Draw decay curves, lifetimes and growth of a memory sweep; return the PNG's path."""
    from physnn.answers.memory import memories, memory_of

    sweep = read_sweep(path)
    answer = answer or memory_of(sweep)
    if answer is None:
        raise InputError(f"{path} holds no memories of domains; they are measured by: physnn memory")
    return save(memory_figure(answer, memories(sweep)), out or path.with_suffix(".png"))


def plot_training(names: Sequence[str], out: Path | None = None) -> Path:
    """Draw the training curves of network files in one figure; return the PNG's path."""
    stems = [Path(name).stem for name in names]
    labels = stems if len(set(stems)) == len(stems) else list(names)
    files = {label: read_networks(resolve(name)) for label, name in zip(labels, names, strict=True)}
    pairs = {int(file.recipe["pairs_per_epoch"]) for file in files.values()}
    if len(pairs) > 1:
        raise InputError("the files were trained with different pairs per epoch; draw them one by one")
    figure = training_figure({name: file.loss for name, file in files.items()}, pairs.pop())
    return save(figure, out or Path("training.png"))


def example_set(name: str, eta: float, L: int | None = None) -> list[tuple[str, np.ndarray]]:
    """Titles and images: input, target, clean and noisy output of the first network of a file or bundled name.

    Noise in the Langevin convention; the size is twice the training size by default.
    """
    from physnn.networks.kuramoto.evaluate import example_images

    path = resolve(name)
    file = read_networks(path)
    return example_images(str(path), file.ids[0], L or 2 * int(file.recipe["L"]), int(file.recipe["steps"]), eta)


def plot_examples(name: str, eta: float = 0.1, out: Path | None = None) -> Path:
    """Draw what `example_set` returns; return the PNG's path."""
    return save(image_figure(example_set(name, eta)), out or Path(Path(name).stem + "-examples.png"))


def plot_ensembles(path: Path, out: Path | None = None) -> Path:
    """Draw training curves, accuracies by seed and differences between forms of images of an ensemble file."""
    from physnn.figures.replicas import forms_figure

    file = read_ensembles(path)
    accuracies = {name: e.measured["test_accuracy"] for name, e in file.ensembles.items()}
    losses = {name: e.measured["loss"] for name, e in file.ensembles.items()}
    return save(forms_figure(accuracies, losses, paired_tests(file)), out or path.with_suffix(".png"))


def plot_state(path: Path, out: Path | None = None) -> Path:
    """Draw the equation of state of trained quasi-particles beside lattice data; return the PNG's path."""
    from physnn.figures.training.equation_of_state import state_figure
    from physnn.networks.tasks.equation_of_state import SPECIES, published

    sweep = read_sweep(path)
    (arrays,) = form_arrays(sweep, "train-eos").values()
    figure = state_figure(arrays, list(sweep.recipe["arms"]), SPECIES, published())
    return save(figure, out or path.with_suffix(".png"))


def plot_pde(path: Path, out: Path | None = None) -> Path:
    """Draw errors of trained solvers of a differential equation during training and by width; return the PNG's path."""
    from physnn.answers.training.pde import pde_answers
    from physnn.figures.training.pde import pde_figure

    sweep = read_sweep(path)
    arrays, arms = form_arrays(sweep, "train-pde"), list(sweep.recipe["arms"])
    figure = pde_figure(sweep.recipe["problem"], arrays, arms, pde_answers(path)[-1].claims)
    return save(figure, out or path.with_suffix(".png"))


def plot_flow(found: FlowAnswer, out: Path) -> Path:
    """Draw the exponents and couplings of a renormalization by block step; return the figure's path."""
    from physnn.figures.flow import flow_figure

    main = found.main
    couplings = {f"L = {r.L}, T = {r.T:.5g}": [level.couplings for level in r.levels] for r in found.runs}
    own = [level.couplings for level in main.levels]
    title = f"{found.model}, {found.block} {found.b} x {found.b}, L = {main.L}, T = {main.T:.6g}"
    return save(flow_figure(title, main.steps, own, found.operators, found.exact, couplings), out)


def plot_equivariance(found: Equivariance, out: Path) -> Path:
    """Draw how equivariant the layers of trained networks are; return the figure's path."""
    from physnn.figures.training.equivariance import equivariance_figure

    return save(equivariance_figure(found.group, found.rows), out)


def plot_symmetries(path: Path, out: Path | None = None) -> Path:
    """Draw strengths of symmetries and deviations from them during the training of networks; return the PNG's path."""
    from physnn.answers.training.soft import soft_arrays
    from physnn.figures.training.soft import soft_figure

    if not (found := soft_arrays(path)):
        raise InputError(f"the networks of {path} were drawn to no symmetry; train some with --soft-equivariance")
    return save(soft_figure(found), out or path.with_name(f"{path.stem}-symmetries.png"))


def plot_machines(path: Path, out: Path | None = None, data: Path | None = None, answers: Any = None) -> Path:
    """Draw the machines of `physnn train rbm`, of the largest size and middle temperature; return the PNG's path.

    ``answers`` are those of `physnn.answers.training.boltzmann.machine_answers` where they are known already.
    """
    from physnn.answers.training.boltzmann import machine_answers, machine_file
    from physnn.figures.training.boltzmann import machines_figure
    from physnn.store.snapshots import read_snapshots

    sweep, answers = machine_file(path), answers or machine_answers(path, data)
    L = max(sweep.sizes)
    group = {name: v.values for name, v in sweep.sizes[L].items()}
    k = len(group["T"]) // 2
    answer = [one for one in answers if one.L == L][k]
    arrays = {name: v[k] if v.ndim > 1 else v for name, v in group.items()}
    kept = read_snapshots(data or sweep.recipe["data"])[L]
    colours = kept.colours[int(np.argmin(np.abs(kept.T - answer.T)))].reshape(-1, *kept.colours.shape[-2:])
    rows = [
        (one.name, one.deviation, float(np.hypot(one.machine.error, one.data.error)) / abs(one.data.value))
        for one in answer.observables
    ]
    layers = [str(group[name].shape[-1]) for name in sorted(group) if name.startswith("hidden_bias")]
    title = f"L = {L}, T = {answer.T:.4g}, hidden units {'-'.join(layers)}"
    return save(machines_figure(arrays, title, colours, rows), out or path.with_suffix(".png"))


def plot_recall(path: Path, out: Path | None = None, answer: Any = None) -> Path:
    """Draw images told from memory by descriptor; return the figure's path.

    ``answer`` is that of `physnn.answers.bottleneck.recall.recall_answer` where it is known already.
    """
    from physnn.answers.bottleneck.recall import recall_answer
    from physnn.figures.bottleneck.recall import recall_figure

    found = answer or recall_answer(path)
    rows = [(r.condition, r.images, r.descriptor, r.right, r.megabytes) for r in found.rows]
    apart = {each.setting: each.differences for each in found.found}
    return save(recall_figure(rows, apart, found.chance, found.sentence), out or path.with_suffix(".png"))


def plot_charges(answer: ChargeAnswer, out: Path) -> Path:
    """Draw charges of learning along the training; return the figure's path."""
    from physnn.figures.training.charges import charges_figure

    titles = {name: f"{rule.network}, {rule.optimiser}" for name, rule in answer.rules.items()}
    return save(charges_figure(answer.courses, titles), out)


def plot_colour(path: Path, out: Path | None = None) -> tuple[Path, Path]:
    """Draw errors of colourings of the largest side during training, and a sheet of pictures; return both paths."""
    from physnn.answers.training.colour import colour_answers, colour_arrays, picture_file
    from physnn.figures.training.colour import colour_figure, picture_sheet

    sweep = read_sweep(path)
    arms, arrays, answer = list(sweep.recipe["arms"]), colour_arrays(sweep), colour_answers(path)[-1]
    found, target = arrays[answer.side], out or path.with_suffix(".png")
    title = f"{Path(answer.data).name}, {answer.side} x {answer.side}, {answer.seeds} seeds"
    sheet = save(picture_sheet(found, arms), picture_file(target))
    return save(colour_figure(title, found, arms, answer.bars, answer.claims), target), sheet


def plot_reconstruction(flows: Any, out: Path) -> Path:
    """Draw flows of `physnn.answers.training.reconstruction.machine_flows`; return the figure's path."""
    from physnn.answers.training.reconstruction import FLOW_STEPS
    from physnn.figures.training.reconstruction import reconstruction_figure
    from physnn.models import Ising

    pairs = [(f"L = {f.L}, T = {f.T:.4g}", (f.fixed_energy, f.fixed_likely)) for f in flows]
    points = [(name, [e.value for e in both], [e.error for e in both]) for name, both in pairs]
    values = next((f.spectrum.eigenvalues for f in flows if f.spectrum is not None), None)
    courses = flows[0].cold, flows[0].hot
    return save(reconstruction_figure(FLOW_STEPS, courses, points, values, Ising().critical_temperature), out)


def plot_sentiment(path: Path, out: Path | None = None) -> Path:
    """Draw right answers of transformers trained on reviews, and differences by arm; return the PNG's path."""
    from physnn.answers.training.sentiment import sentiment_answer, sentiment_arrays
    from physnn.figures.training.sentiment import sentiment_figure
    from physnn.samples.training.sentiment import PAPER_POINTS

    sweep, answer = read_sweep(path), sentiment_answer(path)
    bars = {name: each.value for name, each in answer.bars.items()}
    arms = list(sweep.recipe["arms"])
    figure = sentiment_figure(sentiment_arrays(sweep), arms, answer.claims, bars, PAPER_POINTS)
    return save(figure, out or path.with_suffix(".png"))


def plot_maps(path: Path, out: Path | None = None) -> tuple[Path, Path]:
    """Draw energies of layers through the depth, and a sheet of mean maps; return both paths."""
    from physnn.answers.bottleneck.energy import drawn_layers, energy_answer, energy_file, sheet_file
    from physnn.figures.bottleneck.energy import depth_figure, map_sheet

    answer, file, target = energy_answer(path), energy_file(path), out or path.with_suffix(".png")
    sheet = save(map_sheet(drawn_layers(file), answer.controls, file.recipe.side), sheet_file(target))
    return save(depth_figure(answer.layers, answer.controls, answer.rows, answer.parts), target), sheet


def plot_angles(found: AngleAnswer, out: Path) -> Path:
    """Draw class angles of a layer, and what is left of them under controls; return the figure's path."""
    from physnn.figures.bottleneck.angles import angle_figure

    shares = [(f"none, {n}" if n != "both" else "none", b.share, b.chance) for n, b in found.angles.between.items()]
    shares += [(each.control, each.between.share, each.between.chance) for each in found.controls]
    if found.left is not None:
        shares.append(("less raw gradients", found.left.share, found.left.chance))
    cosines = [("halves", found.halves.cosine)]
    if found.mirror is not None:
        cosines += [("mirrored, x", found.mirror.x.cosine), ("mirrored, y", found.mirror.y.cosine)]
    if found.other is not None:
        cosines.append((found.other.network, found.other.agrees.cosine))
    if found.composition is not None:
        cosines.append(("raw gradients", found.composition.agrees.cosine))
    cosines += [(each.control, each.agrees.cosine) for each in found.controls]
    title = f"class angles in {found.layer} of {found.network}"
    return save(angle_figure(found.names, found.angles.directions, shares, cosines, title), out)


def plot_matches(found: MatchAnswer, out: Path) -> Path:
    """Draw where the vectors of a layer are matched; return the figure's path."""
    from physnn.figures.bottleneck.matches import match_figure

    return save(match_figure(found), out)
