"""Imports go from upper to lower packages (docs/design.md), without circles."""

import ast
from pathlib import Path

import pytest

import bunchtrain

PACKAGE = Path(bunchtrain.__file__).parent
BASE = {"errors", "files", "child_processes", "progress_bar", "parts", "batch", "targets"}
#: Package or module → those that it may import, beside itself and what these may import.
LAYERS = {
    "errors": set(),
    "files": {"errors"},
    "supervisor": set(),
    "child_processes": {"errors"},
    "progress_events": {"files"},
    "progress_bar": {"progress_events"},
    "parts": {"files"},
    "batch": {"errors"},
    "targets": {"errors"},
    "tables": BASE,
    "physics": BASE,
    "simulation": {"tables"},
    "systematics": {"tables"},
    "representations": {"tables", "physics"},
    "transforms": {"representations", "simulation"},
    "heads": BASE,
    "networks": {"heads", "physics"},
    "penalties": {"heads"},
    "methods": {"representations", "networks", "penalties"},
    "uncertainty": {"methods"},
    "trained_model": {"uncertainty"},
    "trained_network": {"trained_model"},
    "trained_files": {"trained_network"},
    "training": {"trained_files"},
    "study": BASE,
    "statistics": {"tables"},
    "plots": {"statistics"},
    "page_templates": set(),
    "displays": {"tables", "page_templates"},
    "report": {"plots", "study", "displays"},
    "deployment": {"training", "report"},
    "evaluations": {"deployment", "systematics", "transforms"},
    "environments": {"tables"},
    "policies": {"environments", "trained_files"},
    "workflow": {"evaluations", "simulation", "policies"},
    "__init__": {"workflow"},
    "cli": {"workflow", "__init__"},
    "__main__": {"cli"},
}
#: Lines below which a file that only one other file uses belongs into that file.
FRAGMENT = 40
FILES = sorted(PACKAGE.rglob("*.py"))


def module(path: Path) -> str:
    """Name of a file's module below `bunchtrain`, that of a package without `__init__`."""
    names = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" and len(names) > 1 else names)


MODULES = {module(path): path for path in FILES}


def imported(path: Path) -> set[str]:
    """Modules that a file imports, in functions and for type checking as well."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = f"{node.module}.".removeprefix("bunchtrain.")
            if node.module == "bunchtrain" or base != f"{node.module}.":
                base = "" if node.module == "bunchtrain" else base
                names = {f"{base}{alias.name}" for alias in node.names}
                found |= {n if n in MODULES else base.rstrip(".") or "__init__" for n in names}
        elif isinstance(node, ast.Import):
            names = {alias.name for alias in node.names if alias.name.startswith("bunchtrain")}
            found |= {name.partition(".")[2] or "__init__" for name in names}
    return found - {module(path)}


IMPORTS = {name: imported(path) for name, path in MODULES.items()}


def reachable(layer: str) -> set[str]:
    return {layer}.union(*(reachable(one) for one in LAYERS[layer]))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_lower_layers_only(name):
    layer = name.partition(".")[0]
    assert layer in LAYERS, f"add '{layer}' here and to docs/design.md"
    assert {other.partition(".")[0] for other in IMPORTS[name]} <= reachable(layer)


def test_there_are_no_import_circles():
    left = {name: set(found) for name, found in IMPORTS.items()}
    while free := [name for name, found in left.items() if not found & set(left)]:
        for name in free:
            del left[name]
    while ends := set(left) - set().union(*left.values()):
        for name in ends:  # modules that only import those of a circle
            del left[name]
    assert not left, f"import circle among {', '.join(sorted(left))}"


def is_part(name: str) -> bool:
    from bunchtrain import parts

    packages = {package for kind in parts.KINDS.values() for package in kind.packages}
    return name.rpartition(".")[0] in packages and not name.rpartition(".")[2].startswith("_")


def test_no_file_is_a_fragment_of_its_only_user():
    users = {name: [n for n, found in IMPORTS.items() if name in found] for name in MODULES}
    found = {
        name: users[name][0]
        for name, path in MODULES.items()
        if path.name != "__init__.py"
        and not is_part(name)
        and len(users[name]) == 1
        and len(path.read_text(encoding="utf-8").splitlines()) < FRAGMENT
    }
    assert not found, f"merge into the file that uses it: {found}"
