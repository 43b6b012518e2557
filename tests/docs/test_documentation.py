import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import torch
import yaml
from typer.main import get_command

import bunchtrain
from bunchtrain import parts
from bunchtrain.cli.main import app
from bunchtrain.errors import DeprecatedKey, UserError
from bunchtrain.study import load, validate
from bunchtrain.study.loading import read
from bunchtrain.study.overrides import apply, parse
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
    return re.findall(rf"^```{language}(?: title=\"(.*?)\")?\n(.*?)^```$", text, re.M | re.S)


def fragments():
    for path in PAGES:
        for index, (title, content) in enumerate(blocks(path.read_text(encoding="utf-8"), "yaml")):
            yield pytest.param(title, content, id=f"{path.parent.name}/{path.name}-{index}")


def command_lines(path):
    """Return the commands of a page: those of its bash blocks, and those in its sentences."""
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


@pytest.fixture(scope="session")
def example_parts(tmp_path_factory):
    """Folder of the files of parts that a page shows."""
    folder = tmp_path_factory.mktemp("parts")
    for title, source in blocks(page("how_to/new_part.md"), "python"):
        if title:
            (folder / title).write_text(source, encoding="utf-8")
    return folder


@pytest.fixture
def new_parts(example_parts, monkeypatch, tmp_path):
    """The files of the page in the working directory, and the model by its entry point, too."""
    for path in example_parts.glob("*.py"):
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("my_package", tmp_path / "my_tagger.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "my_package", module)
    spec.loader.exec_module(module)
    monkeypatch.setitem(parts.locate("model"), "my_tagger", "my_package:MyTagger")
    return tmp_path


def test_reference_names_every_key_with_its_meaning(reference):
    text = (reference.FOLDER / "study.md").read_text(encoding="utf-8")
    for model in reference.SECTIONS.values():
        for key, field in model.model_fields.items():
            assert re.search(
                rf"^\| `{field.alias or key}` \|.*\| {re.escape(field.description)} \|$", text, re.M
            )
    assert "| `negative` | `raise`, `keep`, `absolute`, `drop` | `raise` |" in text


def test_reference_names_every_part_with_its_options_and_paper(reference):
    page = (reference.FOLDER / "parts.md").read_text(encoding="utf-8")
    for kind in parts.KINDS:
        heading = re.escape(reference.HEADINGS[kind])
        (text,) = re.findall(rf"^## {heading}$(.*?)(?=^## |\Z)", page, re.M | re.S)
        for name in parts.locate(kind):
            part = parts.find(kind, name)
            (section,) = re.findall(rf"^### `{name}`$(.*?)(?=^##|\Z)", text, re.M | re.S)
            assert parts.describe(kind, name).paper in section
            for option in parts.options(part):
                assert f"| `{option}` |" in section


def test_reference_describes_every_option(reference):
    text = (reference.FOLDER / "parts.md").read_text(encoding="utf-8")
    assert not re.findall(r"^\| `\w+` \|.*\|  \|$", text, re.M)


def test_reference_has_the_messages_of_every_package(reference):
    text = (reference.FOLDER / "messages.md").read_text(encoding="utf-8")
    assert "* `… is run by another process; wait for its end, or stop it`" in text
    assert text.count("\n* `") > 600
    code = Path(bunchtrain.__file__).parent
    for path in code.rglob("*.py"):
        if re.search(r'raise (Study|Data|Run|Export)Error\(\s*f?"', path.read_text("utf-8")):
            place = path.relative_to(code).parts[0].removesuffix(".py")
            assert f"\n## {place}\n" in text


def test_reference_names_every_command_and_argument(reference):
    text = (reference.FOLDER / "command.md").read_text(encoding="utf-8")
    for name, command in COMMANDS.items():
        assert (f"## `{name}`" in text) != command.hidden
        for parameter in [] if command.hidden else command.params:
            hidden = parameter.name == "help" or getattr(parameter, "hidden", False)
            assert hidden or reference.spelling(parameter) in text
    assert "`demo`, `small`, `full`" in text


@pytest.mark.parametrize("path", PAGES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_commands_of_the_pages_exist(path, new_parts):
    hidden = {name for name, command in COMMANDS.items() if command.hidden}
    for line in command_lines(path):
        words = shlex.split(line[line.index("bunchtrain ") :], comments=True)
        while words[1:] and words[1] in ("--help", "--trust-code"):
            words.pop(1)
        if len(words) == 1:
            continue
        assert words[1] in COMMANDS, line
        assert words[1] not in hidden or path.name == "upgrade.md", line
        known = {option for p in COMMANDS[words[1]].params for option in p.opts}
        assert {word for word in words[2:] if re.match(r"--?[a-z]", word)} <= known, line
        if words[1] in ("evaluate", "parts") and not {"NAME", "--targets"} & set(words):
            check_part(words[1:], line)


def check_part(words, line):
    """Check kind, name and options of the part in a command `evaluate` or `parts`."""
    kind, *rest = ["evaluation", *words[1:]] if words[0] == "evaluate" else words[1:] or [""]
    assert kind in (*parts.KINDS, ""), line
    if rest:
        part = parts.find(kind, parts.absolute_name(rest[0], Path()))
        given = apply({}, parse(word for word in rest[1:] if "=" in word and "…" not in word))
        assert set(given) <= set(parts.options(part)), line


@pytest.mark.parametrize(("title", "content"), list(fragments()))
def test_yaml_of_the_pages_is_a_study_or_a_part_of_one(title, content, new_parts):
    path = new_parts / "page.yaml"
    path.write_text(content, encoding="utf-8")
    if title == "release 0.1":
        return
    content = read(path)
    content.pop("name")
    if title == "space.yaml":
        for key, space in content.items():
            validate(apply(BASE, {key: space.get("low", space.get("choices", [""])[0])}))
        return
    if title == "events":
        return
    assert set(content) <= set(Study.model_fields), content
    is_complete = {"source", "targets"} <= set(content) and content.keys() & {"model", "models"}
    base = {} if is_complete else BASE
    if "evaluation" in content and "spectators" not in content:
        base = base | {"spectators": ["jet_pt", "jet_mass"]}
    study = validate({**base, **content}, folder=path.parent)
    texts = [*study.define.values(), study.select, study.weights.event]
    for target in study.targets.values():
        texts += [*(target.classes or {}).values(), *(target.values or {}).values()]
    for text in filter(None, texts):
        assert Expression(text).columns


def test_study_of_release_0_1_is_translated_as_the_page_shows(tmp_path):
    titled = dict(blocks(page("how_to/upgrade.md"), "yaml"))
    studies = []
    for title in ("release 0.1", "translated"):
        path = tmp_path / "study.yaml"
        path.write_text(titled[title], encoding="utf-8")
        if title == "release 0.1":
            with pytest.warns(DeprecatedKey, match="'represent' is now 'representation'"):
                studies.append(load(path))
        else:
            studies.append(load(path))
    assert studies[0] == studies[1]


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
def test_examples_of_expressions_have_the_values_on_the_page(text, value, events):
    found, shown = evaluate(text, events), ak.Array(json.loads(value))
    assert found.ndim == shown.ndim
    if shown.ndim > 1:
        assert ak.to_list(ak.num(found)) == ak.to_list(ak.num(shown))
    flat = [ak.to_list(ak.flatten(one, axis=None)) for one in (found, shown)]
    assert flat[0] == pytest.approx(flat[1], rel=2e-5, nan_ok=True)


@pytest.mark.parametrize(("text", "reason"), examples("✗"))
def test_examples_of_expressions_raise_the_errors_on_the_page(text, reason, events):
    with pytest.raises(UserError, match=re.escape(reason)):
        evaluate(text, events)


def test_model_of_the_page_is_built_and_run(new_parts):
    tagger = parts.build("model", "my_tagger", {"width": 4}, 3, 2)
    output = tagger(torch.ones(5, 3), torch.tensor([3, 2]))
    assert output.shape == (2, 2)
    assert torch.allclose(output[0], output[1])


def test_head_of_the_page_is_cross_entropy_without_smoothing(new_parts):
    from bunchtrain.batch import Batch
    from bunchtrain.targets import Quantity, Target

    target, batch = Target("jet", ("qcd", "top")), Batch({}, {"jet": torch.tensor([0, 1])})
    name = parts.absolute_name("./smoothed_cross_entropy.py:SmoothedCrossEntropy", new_parts)
    outputs = {"jet": torch.tensor([[1.0, 0.0], [0.5, 2.0]])}
    plain = parts.build("loss", "cross_entropy", {}, target)
    own = parts.build("loss", name, {"smoothing": 0.0}, target)
    assert torch.allclose(own(outputs, batch), plain(outputs, batch))
    smoothed = parts.build("loss", name, {"smoothing": 0.2}, target)
    assert torch.all(smoothed(outputs, batch) > own(outputs, batch))
    top = own.predictions(outputs["jet"])[Quantity("top")]
    assert top[0].item() == pytest.approx(0.2689, abs=1e-4)


@pytest.fixture(scope="session")
def own_run(example_parts, tmp_path_factory):
    """A run with the model, the head and the evaluation of the page, as files."""
    folder = tmp_path_factory.mktemp("own")
    for path in example_parts.glob("*.py"):
        shutil.copy(path, folder)
    text = (content for _, content in blocks(page("how_to/new_part.md"), "yaml"))
    study = yaml.safe_load(next(text)) | {
        "source": {"name": "files", "files": str(ROOT / "samples" / "boosted_jets.parquet")},
        "targets": {"jet": {"classes": {"qcd": "not is_top", "top": "is_top"}}},
        "representation": {"name": "point_cloud", "group": "constituent", "max_points": 10},
        "training": {"epochs": 1, "threads": 1},
        "storage": {"folder": str(folder / "cache")},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    return bunchtrain.run(bunchtrain.load(folder / "study.yaml"), runs=folder / "runs")


def test_study_with_the_parts_of_the_page_runs(own_run):
    found = own_run.metrics["my_tagger"]
    assert found["mean_score/top"]["value"] > found["mean_score/qcd"]["value"]
    assert {path.name for path in (own_run.folder / "parts").glob("*.py")} == {
        "my_tagger.py",
        "smoothed_cross_entropy.py",
        "mean_score.py",
    }


def test_evaluate_takes_options_with_dots(own_run, capsys):
    words = ["systematic_shift", str(own_run.folder), "by.jet_energy_scale=0.02"]
    app(["evaluate", *words, "efficiencies=[0.5]"], standalone_mode=False)
    assert "Changes under systematic effects" in capsys.readouterr().out
    found = own_run.metrics["my_tagger"]["auc_shift_up/jet_energy_scale"]
    assert np.isfinite([found["value"], found["error"]]).all()


def test_every_shipped_study_has_a_page():
    for path in (ROOT / "studies").glob("*/study.yaml"):
        text = (path.parent / "README.md").read_text(encoding="utf-8")
        assert f"bunchtrain run {path.parent.name}" in text
        assert all((one.curve or name) in text for name, one in load(path).models.items())


def test_notebook_has_no_outputs():
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
