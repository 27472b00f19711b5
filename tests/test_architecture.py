"""Rules of the house: layers, sizes, names, what each room may import, and the tree that the documentation shows."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from pandas.compat._optional import VERSIONS

import physnn

ROOT = Path(physnn.__file__).parent
LAYERS = (
    {"errors"},
    {"machine", "rng", "shipped", "kernels"},
    {"models", "store"},
    {"samplers", "networks", "exact", "analysis"},
    {"figures", "jobs"},
    {"samples", "checks"},
    {"answers"},
    {"reports"},
    {"api"},
    {"cli"},
    {"__main__"},
)
"""From the bottom up: a layer imports only from layers below it, or from its own folder."""
MAY_IMPORT = {
    "jobs": {"errors", "machine", "store"},
    "analysis": {"errors", "machine", "rng", "models"},
    "figures": {"errors", "machine", "models", "exact", "analysis", "store"},
}
"""Rooms that import only from these besides themselves: jobs no physics, analysis no files, figures no samples."""
ONLY_IN = {
    "torch": {"networks", "kernels/gpu", "checks"},
    "triton": {"kernels/gpu"},
    "h5py": {"store", "checks"},
    "safetensors": {"store"},
    "numba": {"kernels"},
    "tokenizers": {"networks"},
    "click": {"cli"},
    "matplotlib": {"figures"},
}
"""Libraries, and the folders that alone import them."""
ROOM, LINES, LONG_LINES, FUNCTION, PARAMETERS = 12, 350, 450, 60, 10
"""Modules in a room; lines of a module, of a kernel or a recipe, and of a function; parameters of a function."""
DOUBLES = 37
"""Public names that are defined in more than one module: a number that only falls."""
ALLOWED: dict[str, set[str]] = {"parameters": {"analysis/curves/tables.py: fit_arrays"}}
"""What breaks a rule today, by rule; it only becomes less."""


def modules() -> dict[str, Path]:
    """Files of the package by dotted name, a folder's ``__init__`` by the name of the folder."""
    names = {path: ".".join(path.relative_to(ROOT.parent).with_suffix("").parts) for path in ROOT.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for path, name in sorted(names.items())}


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Syntax of a file."""
    return ast.parse(path.read_text())


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of the syntax of a file."""
    return tuple(ast.walk(parsed(path)))


def for_types_alone(path: Path) -> set[ast.AST]:
    """Nodes of a file that are there for type checking alone."""
    blocks = [n for n in nodes(path) if isinstance(n, ast.If) and getattr(n.test, "id", "") == "TYPE_CHECKING"]
    return {node for block in blocks for statement in block.body for node in ast.walk(statement)}


@functools.cache
def imports(path: Path) -> frozenset[str]:
    """Full names imported anywhere in a file, inside functions too; not those for type checking alone."""
    found, skipped = set(), for_types_alone(path)
    for node in nodes(path):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def part(path: Path) -> str:
    """Folder of the top level that a file lies in, or its own name there."""
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def rank(name: str) -> int | None:
    return next((k for k, layer in enumerate(LAYERS) if name in layer), None)


def between_parts() -> Iterator[tuple[Path, str, str]]:
    """File, its part and the other part of the package, for every import from one part in another."""
    for path in modules().values():
        for name in imports(path) if part(path) != "__init__" else ():
            words = name.split(".")
            if words[0] == "physnn" and len(words) > 1 and rank(words[1]) is not None and words[1] != part(path):
                yield path, part(path), words[1]


def within(rule: str, found: set[str]) -> None:
    """Check that nothing breaks a rule but what is known to."""
    assert found - ALLOWED.get(rule, set()) == set()


def test_every_module_has_a_layer():
    assert {part(path) for path in modules().values()} - set().union(*LAYERS) == {"__init__"}


def test_imports_point_down():
    wrong = {f"{p.relative_to(ROOT)} imports {b}" for p, a, b in between_parts() if rank(b) >= rank(a)}
    within("layers", wrong)


def test_no_imports_go_round_in_circles():
    known = modules()

    def module_of(name: str) -> str:
        while name not in known:
            name = name.rpartition(".")[0]
        return name

    graph = {
        name: {m for n in imports(path) if n.split(".")[0] == "physnn" and (m := module_of(n)) not in ("physnn", name)}
        for name, path in known.items()
    }
    while ends := {name for name, below in graph.items() if not below & graph.keys()}:
        graph = {name: below for name, below in graph.items() if name not in ends}
    # What is left is in a circle, or above one.
    while tops := graph.keys() - set().union(*graph.values()):
        graph = {name: below for name, below in graph.items() if name not in tops}
    within("circles", set(graph))


def test_rooms_import_what_they_may():
    wrong = {
        f"{path.relative_to(ROOT)} imports {other}"
        for path, here, other in between_parts()
        if here in MAY_IMPORT and other not in MAY_IMPORT[here]
    }
    within("rooms", wrong)


def homes(path: Path) -> set[str]:
    """Names of a file in `ONLY_IN`: its folder and those around it, or the module itself at the top level."""
    folders = {str(folder) for folder in path.relative_to(ROOT).parents} - {"."}
    return folders or {path.stem}


def test_libraries_stay_where_they_belong():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules().values()
        for name in imports(path)
        if name.split(".")[0] in ONLY_IN and not homes(path) & ONLY_IN[name.split(".")[0]]
    ]
    assert wrong == []


def test_rooms_and_modules_stay_small():
    files = [path for path in modules().values() if path.name != "__init__.py"]
    rooms = Counter(str(path.parent.relative_to(ROOT)) for path in files)
    within("room", {room for room, n in rooms.items() if n > ROOM})
    long = {
        str(path.relative_to(ROOT))
        for path in files
        if len(path.read_text().splitlines())
        > (LONG_LINES if part(path) == "kernels" or path.stem == "recipe" else LINES)
    }
    within("lines", long)
    stems = Counter((part(path), path.stem) for path in files if path.stem not in ("recipe", "work"))
    within("stems", {f"{room}: {stem}" for (room, stem), n in stems.items() if n > 1})


def functions() -> Iterator[tuple[str, Path, ast.FunctionDef]]:
    for path in modules().values():
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef):
                yield f"{path.relative_to(ROOT)}: {node.name}", path, node


def first_line(function: ast.FunctionDef) -> int:
    """Line where a function begins after its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[0].lineno if body else function.lineno


def test_functions_stay_short():
    long = {name for name, _, f in functions() if (f.end_lineno or 0) - first_line(f) + 1 > FUNCTION}
    within("function", long)
    many = {
        name
        for name, path, f in functions()
        if part(path) not in ("kernels", "cli")
        and len([*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs]) - (f.args.args[:1] == ["self"]) > PARAMETERS
    }
    within("parameters", many)


def definitions() -> dict[str, dict[str, ast.stmt]]:
    """Public functions, classes and constants of every module."""
    found: dict[str, dict[str, ast.stmt]] = defaultdict(dict)
    for module, path in modules().items():
        for node in parsed(path).body:
            names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
            if isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                names += [e.id for t in node.targets if isinstance(t, ast.Tuple) for e in t.elts if hasattr(e, "id")]
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names = [node.target.id]
            found[module] |= {name: node for name in names if not name.startswith("_")}
    return found


def test_a_public_name_is_defined_once():
    places = Counter(name for module, names in definitions().items() for name in names if module != "physnn")
    doubles = sorted(name for name, n in places.items() if n > 1)
    assert len(doubles) <= DOUBLES, doubles


def words_of(path: Path) -> Counter[str]:
    """How often a file uses each name; names in strings count, as those of commands do."""
    found: Counter[str] = Counter()
    for node in nodes(path):
        if isinstance(node, ast.Name):
            found[node.id] += not isinstance(node.ctx, ast.Store)
        elif isinstance(node, ast.Attribute):
            found[node.attr] += 1
        elif isinstance(node, ast.alias):
            found[node.name.rpartition(".")[2]] += 1
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update(re.findall(r"[A-Za-z_]\w*", node.value) if len(node.value) < 200 else [])
    return found


def test_every_public_definition_is_used():
    sims = Counter[str]()
    for path in (ROOT.parent / "sims").rglob("*.py"):
        sims += words_of(path)
    for path in (*(ROOT.parent / "docs").glob("*.md"), ROOT.parent / "README.md"):
        if path.name != "changelog.md":  # which names what went
            sims.update(re.findall(r"[A-Za-z_]\w*", path.read_text()))
    used = {module: words_of(path) for module, path in modules().items()}
    package = sum(used.values(), Counter())
    # A kernel is used where something but a benchmark uses it; one that is called plain is a benchmark's baseline.
    measured = sum((words for module, words in used.items() if ".checks" not in module), Counter())
    unused = set()
    for module, names in definitions().items():
        for name, node in names.items():
            if isinstance(node, ast.FunctionDef) and node.decorator_list and ".cli" in module:
                continue  # commands
            kernel = ".kernels" in module and not name.startswith("plain_")
            if (kernel and not measured[name]) or (not package[name] and not sims[name]):
                unused.add(f"{module}: {name}")
    within("unused", unused)


def test_no_sim_has_the_name_of_a_library():
    """A script's folder is the first place that imports look into, those of libraries that are optional too."""
    names = {path.stem for path in (ROOT.parent / "sims").glob("*.py")}
    assert len(names) > 50 and "bottleneck" in VERSIONS and importlib.util.find_spec("pandas")
    assert not {name for name in names if name in VERSIONS or importlib.util.find_spec(name)}


def test_the_documented_tree_is_the_one_on_the_disk():
    text = (ROOT.parent / "docs" / "architecture.md").read_text()
    tree = text.split("```text\nphysnn/\n")[1].split("```")[0]
    shown, room = set(), ""
    for line in tree.splitlines():
        if not line.startswith("  ") or not line.strip():
            break
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        if depth == 1:
            room = name if name.endswith("/") else ""
            shown.add(name)
        elif name.endswith("/"):
            shown.add(room + name)
    files = {path for path in modules().values() if path.stem not in ("__init__", "__main__")}
    folders = {folder for path in files for folder in path.parents if ROOT in folder.parents}
    disk = {f"{folder.relative_to(ROOT)}/" for folder in folders} | {p.name for p in files if p.parent == ROOT}
    assert shown == disk


def loaded(code: str) -> set[str]:
    text = f"{code}\nimport sys; print(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    answer = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return set(answer.stdout.splitlines()[-1].split())


def test_gpu_kernels_load_torch_and_triton_only_when_used():
    modules = "physnn.kernels.gpu, physnn.kernels.gpu.ising, physnn.checks.gpu"
    assert not {"torch", "triton"} & loaded(f"import {modules}, physnn.samplers.multispin")


def test_the_package_list_is_complete():
    listed = {line.strip() for line in (ROOT.parent / "setup.cfg").read_text().splitlines()}
    folders = {".".join(f.parent.relative_to(ROOT.parent).parts) for f in ROOT.rglob("*/__init__.py")}
    assert folders <= listed
    assert {"physnn", "physnn.data"} <= listed
