"""``physnn diagnose``, ``memory``, ``seam`` and ``replicas``: what is to be known of networks."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished
from physnn.cli.output import print_json, print_table, print_told, progress_bar
from physnn.cli.reports.paged import page_option, print_computed, put_on_page
from physnn.cli.sweep import noise_given
from physnn.cli.training.classify import (
    classifier_settings,
    data_options,
    lr_option,
    recipe_options,
    train_members,
)
from physnn.errors import InputError

MEMORY_RECIPE = "physnn.samples.memory.recipe:MemorySweep"
FIVE = ("simple", "dropout", "batchnorm", "flip", "rotation")
"""The networks that the replica-distance metric was proposed with."""
SCANS = (0.0, 1.0, 2.0)
"""Exponents z at which curves m(t = c L^z) are compared unless others are asked for."""


class Window(click.ParamType[tuple[int, int]]):
    """A window of steps ``A:B``."""

    name = "A:B"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Both ends, or fail with one sentence."""
        first, colon, last = str(value).partition(":")
        if not (colon and first.isdecimal() and last.isdecimal() and int(first) < int(last) < 10**9):
            self.fail(f"{value!r} is not a window of steps such as 0:3", param, ctx)
        return int(first), int(last)


@click.command(cls=opt.ListCommand)
@click.argument("networks", required=False)
@opt.module_option
@click.option("--steps", type=opt.Whole(1), help="Depth T [default: that of training, or what the class says].")
@click.option("--images", type=opt.Whole(1), default=32, show_default=True, help="Fresh images shown to each network.")
@click.option("--L", "size", type=opt.Whole(1), help="Side of the images [default: that of training].")
@click.option(
    "--eta", type=opt.Number(0), default=0.02, show_default=True, help="Noise of the damage profile (Langevin)."
)
@click.option("--noise-steps", type=Window(), help="Noise in the steps A <= t < B only [default: six windows in turn].")
@opt.figure_option("Draw a page for every network here; a number is put before the ending.")
@page_option
@opt.seed_option
@opt.plain_options
def diagnose_command(
    networks: str | None, size: int | None, figure: Path | None, page: Path | None, seed: int | None, as_json: bool,
    quiet: bool, **options: Any,
) -> None:  # fmt: skip
    """Diagnose networks of a file, a bundled ensemble, or a class of yours: stability, cycle, errors, walls, damage.

    \b
    physnn diagnose kuramoto_symmetric --report networks.html
    physnn diagnose mine.h5 --noise-steps 0:3 --figure mine.png
    physnn diagnose weights.safetensors --module my_net.py:MyNet --steps 8
    """
    from physnn.analysis.order.diagnosis import diagnoses_json as plain
    from physnn.reports.computed.layers import told_diagnoses
    from physnn.samples.diagnosis import diagnose
    from physnn.shipped import resolve

    with progress_bar("diagnose", quiet) as progress:
        found = diagnose(networks, L=size, seed=seed or 0, progress=progress, **options)
    pages = []
    if figure:
        from physnn.figures.diagnosis import diagnosis_figure
        from physnn.figures.style import save

        names = [figure.with_stem(f"{figure.stem}-{k}") if len(found) > 1 else figure for k in range(len(found))]
        pages = [str(save(diagnosis_figure(d), name)) for d, name in zip(found, names, strict=True)]
    told = told_diagnoses(found, str(networks or options["module"]))
    put_on_page(told, [resolve(networks)] if networks and not options["module"] else [], page)
    if as_json:
        print_json(plain(found) | {"figures": pages, "page": str(page) if page else None})
        return
    print_computed(told, None, None)
    for word, path in (*(("figure", path) for path in pages), *([("page", page)] if page else [])):
        click.echo(f"{word:7} {path}")


@click.command("memory", cls=opt.RecipeCommand, recipes=(MEMORY_RECIPE,))
@click.argument("networks", nargs=-1)
@opt.eta_range_option("0.2 1 9")
@click.option(
    "--z", cls=opt.ListOption, type=opt.Number(0), metavar="Z...", example="0 1 2", help="Scan t = c L^z at these z."
)
@click.option(
    "--after", type=opt.Number(0), metavar="C", help="c of the scan at the training L, steps [default: --steps]."
)
@click.option(
    "--table",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write L, eta, t, m and error here, for: physnn fit FILE --dynamic.",
)
@opt.sweep_options("memory.h5", "sizes, noise values, networks or length")
def memory_command(
    eta_range: tuple[float, ...] | None, z: tuple[float, ...], after: float | None, table: Path | None, **options: Any
) -> None:
    """Write a domain into NETWORKS (files, FILE/SEED, or bundled ensembles), add noise, and see how long it lasts.

    \b
    physnn memory kuramoto_symmetric --L 16 32 64 128
    physnn memory kuramoto_broken --L 16 32 64 --pattern box
    physnn memory --model diagonal 1 0 --L 8 16 32 64 --eta 1 1.4 1.8 --longest 20000

    Lifetimes are steps until half of the contrast between inside and outside is gone; runs that end before count as
    such.  A rerun continues where an interrupted one stopped.
    """
    from physnn.cli.answers import memory_sweep_answer
    from physnn.machine import single_blas_thread
    from physnn.samples.memory.recipe import MemorySweep

    call = Call.of(options, "memory.h5")
    if call.device == "cuda":
        raise InputError("memory sweeps run on the CPU; leave --device out")
    options["eta"] = tuple(noise_given(options["eta"], eta_range))
    settings = call.settings(MemorySweep, options)
    if options["networks"] or options["model"]:
        # Of a known coupling and networks the one that is named stands, whatever the configuration file has.
        dropped = {"network_ids", *({"networks", "model"} - opt.given(options).keys())}
        settings = {key: value for key, value in settings.items() if key not in dropped}
    from physnn import api

    recipe = api.recipe("memory", call.out, call.extend, **settings)
    count = finished("memory", recipe, call, "memory")
    if count is None:
        return
    with single_blas_thread():
        memory_sweep_answer(call.out, count, z or SCANS, after, table).print(call.as_json)


@click.command("seam", cls=opt.ListCommand)
@click.argument("networks", required=False)
@click.option(
    "--model",
    cls=opt.ListOption,
    metavar="NAME...",
    example="xy",
    help="Instead of networks: xy | on N | diagonal K1 K2... | rotated P/Q P/Q | coupling FILE.npy.",
)
@click.option(
    "--L", "L", cls=opt.ListOption, type=opt.Whole(2), metavar="L...", example="8 16", help="Sides [default: 8 12 16]."
)
@click.option(
    "--T",
    "T",
    cls=opt.ListOption,
    type=opt.Number(0),
    metavar="T...",
    example="0.5 1",
    help="Temperatures besides T = 0.",
)
@click.option("--axis", type=click.Choice(["0", "1", "both"]), default="both", show_default=True)
@click.option("--twist", is_flag=True, help="Give both boundaries the twist of least energy first.")
@click.option(
    "--measurements", type=opt.Whole(2), default=4000, show_default=True, help="At each temperature and strength."
)
@click.option("--interval", type=opt.Whole(1), default=2, show_default=True, help="Sweeps before each measurement.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep results here; the same command continues, others add sizes.  FILE.json exports the rows of FILE.h5.",
)
@opt.shard_option
@opt.dry_run_option
@opt.seed_option
@opt.json_option
@opt.run_options
def seam_command(
    networks: str | None, model: tuple[str, ...], L: tuple[int, ...], axis: str, seed: int | None, **options: Any
) -> None:
    """Energy (T = 0) and free energy of a seam, a line across which bonds carry -J, in networks or in a model.

    \b
    physnn seam kuramoto_symmetric --L 8 16
    physnn seam --model diagonal 1 0 --L 8 16 32 --T 0.5 0.7

    Growing like L it is a wall's, constant it is that of a twist, and in a disordered phase it vanishes.
    """
    from physnn.reports.physics import told_seams
    from physnn.samples.base import validated
    from physnn.samples.named import canonical_words, load_model
    from physnn.samples.seam import SeamSweep, finished_seams, seam_file, stiffness_of, words_of

    if bool(networks) == bool(model):
        raise InputError("physnn seam needs either networks or --model NAME")
    out = options.pop("out")
    if options["shard"] and out is None:
        raise InputError("shards share a file: name it with --out")
    with tempfile.TemporaryDirectory() as folder:
        call = Call.of(options | {"out": seam_file(out) if out else Path(folder) / "seam.h5"}, "")
        if call.device == "cuda":
            raise InputError("seams are measured on the CPU; leave --device out")
        words = words_of(networks) if networks else {load_model(model).name: canonical_words(model)}
        settings = {name: options[name] for name in ("T", "twist", "measurements", "interval")}
        settings |= {"axes": (0, 1) if axis == "both" else (int(axis),), "seed": seed or 0}
        recipe = validated(SeamSweep, settings | {"L": L or (8, 12, 16), "words": words}).resolved()
        if finished("seam", recipe, replace(call, extend=True), "seam") is None:
            return
        found = finished_seams(recipe, call.out, out)
    if call.as_json:
        print_json({"seams": found, "stiffness": stiffness_of(found)})
        return
    print_told(told_seams(found, stiffness_of(found)))
    if out:
        click.echo(f"results  {out}")


@click.command(cls=opt.ListCommand)
@click.option(
    "--networks",
    cls=opt.ListOption,
    metavar="NAME...",
    example="simple dropout",
    help=f"Networks of the zoo, or one file of trained networks [default: {' '.join(FIVE)}].",
)
@click.option("--replicas", "count", type=opt.Whole(8), default=50, show_default=True, help="Replicas of each network.")
@click.option("--epochs", type=opt.Whole(0), default=200, show_default=True, help="Epochs of training.")
@data_options
@recipe_options
@lr_option
@click.option(
    "--reduction",
    type=click.Choice(["none", "pca", "umap"]),
    default="none",
    show_default=True,
    help="Take distances of reduced weights, too.",
)
@click.option("--components", type=opt.Whole(1), default=100, show_default=True, help="Coordinates of a reduction.")
@opt.seed_option
@opt.shard_option
@opt.out_option("replicas.h5")
@opt.json_option
@opt.run_options
def replicas_command(
    networks: tuple[str, ...], count: int, reduction: str, components: int, seed: int | None, **options: Any
) -> None:
    """How far apart replicas of a network end: the replica-distance metric, with errors over replicas.

    \b
    physnn replicas
    physnn replicas --networks simple dropout --data cifar-10-batches-py --replicas 200
    physnn replicas --networks replicas-networks.h5 --reduction pca --components 40
    physnn replicas --networks pde-burgers.h5

    Each network is trained from many seeds on the same few images (100 unless --train says otherwise).  Trained
    networks are kept beside --out, so that the same command continues, and other measurements need no training.
    """
    from physnn.analysis.replicas.embedding import Reduction
    from physnn.answers.replicas import STUDY_DISTANCES, save_distances, study_replicas, with_reduction
    from physnn.answers.replicas import study_json as plain
    from physnn.cli.training.equations import print_form_replicas
    from physnn.figures.replicas import replicas_figure
    from physnn.figures.style import save
    from physnn.store.ensemble_file import check_distance_file, read_ensembles
    from physnn.store.sweep_file import FORMAT, kind_of

    call = Call.of(options, "replicas.h5")
    check_distance_file(call.out)
    measurements = with_reduction(STUDY_DISTANCES, Reduction(reduction, components, seed=seed or 0))
    if len(networks) == 1 and networks[0].endswith(".h5"):
        kept = Path(networks[0])
        if call.run["shard"]:
            raise InputError(f"--shard divides trainings, and {kept} has trained networks; leave it out")
        if kind_of(kept)[0] == FORMAT:
            if reduction != "none":
                raise InputError("weights of physnn train pde and train eos are not reduced; leave --reduction out")
            print_form_replicas(kept, seed or 0, call)
            return
        file = read_ensembles(kept)
    else:
        kept = call.out.with_name(f"{call.out.stem}-networks.h5")
        recipe, images = classifier_settings(options)
        members = {name: (recipe | {"network": name}, {"train": 100} | images) for name in networks or FIVE}
        trained = train_members("replicas", members, range(count), replace(call, out=kept), options["engine"])
        if trained is None:
            return
        file = trained
    with progress_bar("replicas", call.quiet) as progress:
        study = study_replicas(file, measurements, seed or 0, progress)
    save_distances(study, file, call.out)
    figure = save(replicas_figure(study), call.out.with_suffix(".png"))
    if call.as_json:
        print_json({"file": str(call.out), "ensembles": str(kept), "figure": str(figure)} | plain(study))
        return
    _print_study(study)
    click.echo(f"distances {call.out}\nnetworks  {kept}\nfigure    {figure}")


def _print_study(study: Any) -> None:
    from physnn.reports.networks import percent

    names = study.comparison.names if study.comparison else tuple(study.ensembles)
    kinds = ["wasserstein", "wasserstein_untrained", "wasserstein_normalised", "euclid_aligned"]
    kinds += [k for s in study.ensembles.values() for k in s.metrics if "pca" in k or "umap" in k]
    kinds = [k for k in dict.fromkeys(kinds) if any(k in s.metrics for s in study.ensembles.values())]
    rows = []
    for name in names:
        s = study.ensembles[name]
        found = [str(s.metrics[k].estimate) if k in s.metrics else "" for k in kinds]
        rows.append([name, *found, str(s.class_overlap.mean), f"{percent(s.accuracy)} %"])
    n = next(iter(study.ensembles.values())).metrics["wasserstein"].replicas
    header = ["network", *(k.replace("_", " ") for k in kinds), "overlap of classes", "test accuracy"]
    print_table(f"mean distance of {n} replicas, errors over replicas", header, rows)
    if study.comparison:
        order, probability = next(iter(study.comparison.orderings.items()))
        click.echo(f"ordering {' > '.join(order)} in {probability:.0%} of the resamples of replicas")
        for (a, b), d in study.differences.items():
            if b == names[names.index(a) + 1]:
                click.echo(f"  {a} - {b}: {d}, {d.value / d.error:.1f} errors")
