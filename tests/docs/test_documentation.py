import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
import types
from pathlib import Path

import awkward as ak
import pytest
import torch
import yaml
from typer.main import get_command

from bunchtrain import parts
from bunchtrain.cli.main import app
from bunchtrain.errors import UserError
from bunchtrain.study import load, validate
from bunchtrain.study.loading import read
from bunchtrain.study.overrides import apply
from bunchtrain.study.schema import Study
from bunchtrain.tables.expressions.expression import Expression, evaluate

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "how_to").glob("*.md")),
    *sorted((ROOT / "studies").glob("*/README.md")),
]
COMMANDS = get_command(app).commands
BASE = {
    "source": {"name": "files", "files": "jets.root"},
    "targets": {"jet": {"classes": {"qcd": "is_top == 0", "top": "is_top == 1"}}},
    "representation": {"name": "point_cloud", "group": "constituent"},
    "model": "particle_net",
}


def page(name):
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks(text, language):
    """Return (title, content) of the fenced blocks of a language."""
    found = re.findall(rf"^```{language}(?: title=\"(.*?)\")?\n(.*?)^```$", text, re.M | re.S)
    return [(title, content) for title, content in found]


def fragments():
    for path in PAGES:
        for number, (title, content) in enumerate(blocks(path.read_text(encoding="utf-8"), "yaml")):
            yield pytest.param(title, content, id=f"{path.parent.name}/{path.name}-{number}")


def lines(path):
    """Return the command lines of a page: those of its bash blocks, and those in its sentences."""
    text = path.read_text(encoding="utf-8")
    shell = "\n".join(content for _, content in blocks(text, "bash")).replace("\\\n", " ")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    found = [*shell.splitlines(), *re.findall(r"`(bunchtrain [^`]+)`", prose)]
    return [line for line in found if re.search(r"\bbunchtrain [a-z-]", line)]


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    made.FOLDER = tmp_path_factory.mktemp("reference")
    made.main()
    return made


@pytest.fixture
def new_parts(monkeypatch):
    """The two parts that a page of the documentation shows, added as a package adds its own."""
    made = types.ModuleType("my_package")
    made.__dict__["__file__"] = "my_package.py"
    monkeypatch.setitem(sys.modules, "my_package", made)
    for _, source in blocks(page("how_to/new_part.md"), "python"):
        exec(compile(source, "new_part.md", "exec", dont_inherit=True), made.__dict__)
    monkeypatch.setitem(parts.locate("model"), "my_tagger", "my_package:MyTagger")
    monkeypatch.setitem(parts.locate("loss"), "relative_error", "my_package:RelativeError")
    yield made


def test_reference_names_every_key_with_its_meaning(reference):
    text = (reference.FOLDER / "study.md").read_text(encoding="utf-8")
    for model in reference.SECTIONS.values():
        for key, field in model.model_fields.items():
            assert re.search(rf"^\| `{key}` \|.*\| {re.escape(field.description)} \|$", text, re.M)
    assert "| `negative` | `refuse`, `keep`, `absolute`, `drop` | `refuse` |" in text


def test_reference_names_every_part_with_its_options_and_paper(reference):
    text = (reference.FOLDER / "parts.md").read_text(encoding="utf-8")
    for kind in parts.KINDS:
        for name in parts.locate(kind):
            part = parts.find(kind, name)
            (section,) = re.findall(rf"^### `{name}`$(.*?)(?=^##|\Z)", text, re.M | re.S)
            assert parts.paper(part) in section
            for option in parts.options(part):
                assert f"| `{option}` |" in section


def test_reference_tells_what_every_option_means(reference):
    text = (reference.FOLDER / "parts.md").read_text(encoding="utf-8")
    assert not re.findall(r"^\| `\w+` \|.*\|  \|$", text, re.M)


def test_reference_names_every_command_and_argument(reference):
    text = (reference.FOLDER / "command.md").read_text(encoding="utf-8")
    for name, command in COMMANDS.items():
        assert f"## `{name}`" in text
        for parameter in command.params:
            assert parameter.name == "help" or reference.spelling(parameter) in text
    assert "`demo`, `small`, `full`" in text


@pytest.mark.parametrize("path", PAGES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_commands_of_the_pages_exist(path):
    for line in lines(path):
        words = shlex.split(line[line.index("bunchtrain ") :], comments=True)
        if words[1] == "--help":
            continue
        assert words[1] in COMMANDS, line
        known = {option for p in COMMANDS[words[1]].params for option in p.opts}
        assert {word for word in words[2:] if re.match(r"--?[a-z]", word)} <= known, line


@pytest.mark.parametrize(("title", "content"), list(fragments()))
def test_yaml_of_the_pages_is_a_study_or_a_part_of_one(title, content, tmp_path, new_parts):
    path = tmp_path / "page.yaml"
    path.write_text(content, encoding="utf-8")
    keys = read(path)
    keys.pop("name")
    if title == "space.yaml":
        for key, space in keys.items():
            validate(apply(BASE, {key: space.get("low", space.get("choices", [""])[0])}))
        return
    if title == "events":
        return
    assert set(keys) <= set(Study.model_fields), keys
    whole = {"source", "targets"} <= set(keys) and keys.keys() & {"model", "members"}
    study = validate(keys if whole else {**BASE, **keys})
    texts = [*study.define.values(), study.select, study.weights.event]
    for target in study.targets.values():
        texts += [*(target.classes or {}).values(), *(target.values or {}).values()]
    for text in filter(None, texts):
        assert Expression(text).columns


def examples(mark):
    text = "\n".join(content for _, content in blocks(page("how_to/expressions.md"), "text"))
    return re.findall(rf"^(\S.*?) +{mark} (.*)$", text, re.M)


@pytest.fixture(scope="session")
def events():
    (content,) = [
        c for title, c in blocks(page("how_to/expressions.md"), "yaml") if title == "events"
    ]
    return ak.Array(yaml.safe_load(content))


@pytest.mark.parametrize(("text", "value"), examples("→"))
def test_examples_of_expressions_give_what_the_page_says(text, value, events):
    found, told = evaluate(text, events), ak.Array(json.loads(value))
    assert found.ndim == told.ndim
    if told.ndim > 1:
        assert ak.to_list(ak.num(found)) == ak.to_list(ak.num(told))
    flat = [ak.to_list(ak.flatten(one, axis=None)) for one in (found, told)]
    assert flat[0] == pytest.approx(flat[1], rel=2e-5, nan_ok=True)


@pytest.mark.parametrize(("text", "reason"), examples("✗"))
def test_examples_of_expressions_are_refused_as_the_page_says(text, reason, events):
    with pytest.raises(UserError, match=re.escape(reason)):
        evaluate(text, events)


def test_the_part_of_the_page_is_found_built_and_run(new_parts):
    tagger = parts.build("model", "my_tagger", {"width": 4}, 3, 2)
    given = tagger(torch.ones(5, 3), torch.tensor([3, 2]))
    assert given.shape == (2, 2)
    assert torch.allclose(given[0], given[1])


def test_the_loss_of_the_page_is_relative(new_parts):
    from bunchtrain.batch import Batch
    from bunchtrain.targets import Target

    loss = parts.build("loss", "relative_error", {"floor": 1.0}, Target("e", (), ("e",)))
    batch = Batch({}, {"e": torch.tensor([[1.0], [3.0]])})
    assert loss({"e": torch.tensor([[2.0], [3.0]])}, batch).tolist() == [0.25, 0.0]


def test_every_shipped_study_has_a_page():
    for path in (ROOT / "studies").glob("*/study.yaml"):
        text = (path.parent / "README.md").read_text(encoding="utf-8")
        assert f"bunchtrain run {path.parent.name}" in text
        assert all((one.method or name) in text for name, one in load(path).members.items())


def test_notebook_is_kept_without_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_notebook_runs(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()
    shown = [
        output["data"].get("text/html", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "execute_result"
    ]
    assert any("AUC" in text and "<svg" in text for text in shown)
    assert any(text.startswith("<iframe") for text in shown)
    assert (tmp_path / "scores.parquet").is_file()


@pytest.mark.slow
def test_site_builds_and_needs_no_network(tmp_path, reference):
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("reference"))
    shutil.copytree(reference.FOLDER, tmp_path / "docs" / "reference")
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "--quiet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in (tmp_path / "site").rglob("*.html"):
        for tag in re.findall(r"<(?:script|img|iframe|link)[^>]*>", path.read_text("utf-8")):
            assert not re.search(r'src="(https?:)?//', tag), path
            assert not re.search(r'rel="(stylesheet|preconnect)".*href="(https?:)?//', tag), path
