"""Each station knows only what lies upstream of it: docs/design.md, held to by the imports."""

import ast
from pathlib import Path

import pytest

import bunchtrain
from bunchtrain import parts

PACKAGE = Path(bunchtrain.__file__).parent
GROUND = {"errors", "files", "parts", "batch"}
MAY_IMPORT = {
    "errors": set(),
    "files": {"errors"},
    "parts": {"errors"},
    "batch": {"errors"},
    "columns": GROUND,
    "generators": GROUND | {"columns"},
    "systematics": GROUND | {"columns"},
    "physics": GROUND,
    "representation": GROUND | {"columns", "physics"},
    "models": GROUND,
    "objectives": GROUND,
    "network": GROUND,
    "uncertainty": GROUND | {"objectives", "network"},
    "training": GROUND | {"columns", "represent", "models", "objectives", "network", "uncertainty"},
    "evaluation": GROUND | {"columns"},
    "study": GROUND,
    "deployment": GROUND
    | {"columns", "physics", "represent", "models", "network", "training", "evaluation"},
}
EVERYTHING = {"runs", "cli", "__init__", "__main__"}


def station(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names]
            found |= set(names) if module == "bunchtrain" else {module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("bunchtrain.")}


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_a_file_imports_only_what_lies_upstream(path):
    here = station(path)
    if here in EVERYTHING:
        return
    assert here in MAY_IMPORT, f"{here} is no station: add it here and to docs/design.md"
    assert imports(path) - {here} <= MAY_IMPORT[here]


@pytest.mark.parametrize("kind", parts.PACKAGES)
def test_every_part_says_what_it_is_and_types_its_options(kind):
    for name in parts.locate(kind):
        part = parts.find(kind, name)
        assert len(parts.summary(part)) > 10, name
        for option in parts.options(part).values():
            assert option.type != "Any", (name, option)


def test_published_models_name_their_paper():
    for name in parts.locate("model"):
        assert parts.paper(parts.find("model", name)), f"{name} names no paper"
