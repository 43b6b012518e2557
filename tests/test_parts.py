"""Parts: their options, their documentation, and parts in a user's own file."""

import importlib.util
import json
import linecache
import py_compile
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import yaml
from pydantic import Field

from bunchtrain import parts
from bunchtrain.errors import RunError, StudyError
from bunchtrain.study import load, model_configs
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.preparation import check_models


@dataclass(frozen=True)
class Base(parts.Options):
    """Options of the base.

    seed  seed of all.
    """

    seed: Annotated[int, Field(ge=0)] = 1


@dataclass(frozen=True)
class More(Base):
    """More options.

    size  how large,
          in metres.
    names  some names.
    """

    size: float = 2.0
    names: tuple[str, ...] = ()


class Model:
    """A part.

    Args:
        count: how many.
    """

    def __init__(self, outputs, *, count: int, options: More = More(size=3.0)) -> None:
        self.outputs, self.count, self.options = outputs, count, options


class Derived(Model):
    """A part that inherits its options."""


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setitem(parts.locate("model"), "derived", f"{__name__}:Derived")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])


def test_a_group_of_options_stands_for_its_fields(model):
    assert parts.positional(Derived) == ("outputs",)
    found = parts.options(Derived)
    assert list(found) == ["count", "seed", "size", "names"]
    assert [found[name].default for name in found] == [None, 1, 3.0, ()]
    assert [found[name].required for name in found] == [True, False, False, False]
    assert found["seed"].type == "int from 0"
    assert found["names"].type == "tuple[str, ...]"
    assert parts.option_docs(Derived) == {
        "count": "how many.",
        "seed": "seed of all.",
        "size": "how large, in metres.",
        "names": "some names.",
    }
    made = parts.build("model", "derived", {"count": 2, "names": ["a"]}, 7)
    assert (made.outputs, made.count, made.options) == (7, 2, More(size=3.0, names=("a",)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "model: 'derived' needs the option 'count'"),
        ({"count": 1, "seed": -1}, "model.seed: must be at least 0, got -1"),
        ({"count": 1, "sise": 1}, "model: 'derived' has no option 'sise'; did you mean 'size"),
    ],
)
def test_wrong_options_are_one_sentence(model, options, message):
    with pytest.raises(StudyError, match=message):
        parts.build("model", "derived", options, 7)


@pytest.mark.parametrize("kind", parts.KINDS)
def test_every_part_documents_itself_and_types_its_options(kind):
    for name in parts.locate(kind):
        part, found = parts.find(kind, name), parts.describe(kind, name)
        assert len(found.summary) > 10, name
        for option in parts.options(part).values():
            assert option.type != "Any", (name, option)
            assert option.name not in parts.KINDS[kind].reserved, (name, option)


def test_models_cite_their_paper():
    for name in parts.locate("model"):
        assert parts.describe("model", name).paper, f"{name} cites no paper"


def test_listing_parts_imports_none_of_them():
    before = set(sys.modules)
    for kind in parts.KINDS:
        for name in parts.locate(kind):
            parts.describe(kind, name)
    assert not {name for name in set(sys.modules) - before if "networks." in name}


OWN = """
from torch import nn

class MyBackbone(nn.Module):
    '''My backbone.'''

    def __init__(self, table, outputs, *, k: int = 2):
        super().__init__()
        self.layer = nn.Linear(table, outputs)

    def forward(self, table):
        return self.layer(table)

class Clash(MyBackbone):
    def __init__(self, table, outputs, *, name: str = ""):
        super().__init__(table, outputs)

class Unknown(MyBackbone):
    def __init__(self, table, outputs, *, k: "Nowhere" = 2):
        super().__init__(table, outputs)

class OtherArgument(MyBackbone):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)

class Formless(nn.Module):
    pass

class Nothing:
    pass
"""
STUDY = {
    "source": {"name": "files", "files": "a.root"},
    "targets": {"jet": {"classes": {"qcd": "y == 0", "top": "y == 1"}}},
    "representation": {"name": "table", "features": ["x"]},
    "model": "dense_network",
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "broken.py").write_text("x = 1 / 0")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return tmp_path / "study.yaml"


def test_a_part_in_a_file_is_relative_to_the_study(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    loaded = load(study, "model={name: ./own.py:MyBackbone, k: 8}")
    assert loaded.model.name == f"{tmp_path}/own.py:MyBackbone"
    assert list(model_configs(loaded)) == ["my_backbone"]
    again = type(loaded)(**loaded.model_dump(mode="json"))
    assert again == loaded


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./owm.py:MyBackbone", "there is no file .*owm.py; did you mean 'own.py'"),
        ("./own.py:MyBackbon", "own.py has no class 'MyBackbon'; did you mean 'MyBackbone'"),
        ("./own.py:Nothing", "is no model: derive the class from torch.nn.Module"),
        ("./own.py:Formless", "is no model: it lacks the method forward"),
        ("./own.py:Clash", "option 'name' of model 'clash' has the name of a key of the study"),
        ("./own.py:Unknown", "an annotation of __init__ is not known: name 'Nowhere'"),
        ("./own.py", "name a class in a file as './my_file.py:MyClass'"),
        ("./broken.py:X", "broken.py cannot be imported: ZeroDivisionError: division by zero"),
    ],
)
def test_a_wrong_file_is_one_sentence(study, name, message):
    with pytest.raises(StudyError, match=message) as caught:
        load(study, f"model={name}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from .other import x", r"relative import in line 1; .* put the code into it"),
        ("import os\nimport other", r"line 2 imports 'other' from the same folder"),
        ("def f(:", r"SyntaxError: .* \(line 1\)"),
        ("import os\n\nraise KeyError('x')", r"KeyError: 'x' \(line 3\)"),
        ("import nowhere_at_all", r"ModuleNotFoundError: No module named 'nowhere_at_all'"),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_sentence(study, tmp_path, text, message):
    (tmp_path / "other.py").write_text("x = 1")
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(StudyError, match=rf"mine.py cannot be imported: .*{message}"):
        load(study, "model=./mine.py:X")


def test_a_file_with_line_ends_of_windows_is_copied_as_it_is(study, tmp_path):
    (tmp_path / "dos.py").write_bytes(OWN.replace("\n", "\r\n").encode())
    content = load(study, "model=./dos.py:MyBackbone").model_dump(mode="json", exclude_none=True)
    run = tmp_path / "run"
    name = parts.absolute_name(parts.copy_files(content, run)["model"]["name"], run)
    assert parts.find("model", name).__name__ == "MyBackbone"
    assert (run / "parts" / "dos.py").read_bytes() == (tmp_path / "dos.py").read_bytes()


def test_a_compiled_file_in_a_run_folder_is_not_executed(study, tmp_path):
    content = load(study, "model=./own.py:MyBackbone").model_dump(mode="json", exclude_none=True)
    run = tmp_path / "run"
    name = parts.absolute_name(parts.copy_files(content, run)["model"]["name"], run)
    own, evil = run / "parts" / "own.py", tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n" + OWN)
    cached = Path(importlib.util.cache_from_source(str(own)))
    py_compile.compile(
        str(evil), str(cached), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    for module in [name for name in sys.modules if name.startswith("bunchtrain_own_")]:
        del sys.modules[module]
    assert parts.find("model", name).__name__ == "MyBackbone"
    assert not (tmp_path / "executed").exists()


def test_a_constructor_with_an_argument_that_is_no_tensor_is_one_sentence(study):
    with pytest.raises(StudyError, match=r"argument 'inputs' is neither 'outputs' nor a .*table"):
        check_models(load(study, "model=./own.py:OtherArgument"))


def test_options_of_a_part_in_a_file_are_checked(study):
    with pytest.raises(
        StudyError, match="model: 'my_backbone' has no option 'kk'; did you mean 'k"
    ):
        load(study, "model={name: ./own.py:MyBackbone, kk: 8}")


def test_an_edited_file_is_loaded_again(study, tmp_path):
    load(study, "model={name: ./own.py:MyBackbone, k: 8}")
    (tmp_path / "own.py").write_text(OWN.replace("k: int", "depth: int"))
    with pytest.raises(StudyError, match="no option 'k'"):
        load(study, "model={name: ./own.py:MyBackbone, k: 8}")


def test_code_without_a_recorded_hash_is_not_trusted(study, tmp_path, monkeypatch):
    content = load(study, "model=./own.py:MyBackbone").model_dump(mode="json", exclude_none=True)
    run = RunFolder(tmp_path / "run")
    changed = parts.copy_files(content, run.path)
    run.study_file.write_text(yaml.safe_dump(changed))
    assert run.study().model.name == f"{run.path}/parts/own.py:MyBackbone"
    (run.path / "evil.py").write_text(OWN)
    network = run.path / "models" / "a" / "network.json"
    network.parent.mkdir(parents=True)
    network.write_text(json.dumps({"task": {"model": ["../../evil.py:MyBackbone", {}]}}))
    with pytest.raises(RunError, match=r"run/evil.py holds Python code .*--trust-code"):
        run.study()
    network.unlink()
    (run.path / "parts" / "hashes.json").unlink()
    with pytest.raises(RunError, match=r"own.py holds Python code .*--trust-code"):
        run.study()
    monkeypatch.setenv("BUNCHTRAIN_TRUST_CODE", "1")
    assert run.study().model.name == f"{run.path}/parts/own.py:MyBackbone"


def test_code_in_a_run_folder_is_executed_only_if_it_is_trusted(study, tmp_path, monkeypatch):
    run = tmp_path / "run"
    content = load(study, "model=./own.py:MyBackbone").model_dump(mode="json", exclude_none=True)
    changed = parts.copy_files(content, run)
    assert changed["model"]["name"] == "./parts/own.py:MyBackbone"
    name = parts.absolute_name(changed["model"]["name"], run)
    assert parts.find("model", name).__name__ == "MyBackbone"
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "another user"))
    with pytest.raises(RunError, match="bunchtrain --trust-code"):
        parts.find("model", name)
    monkeypatch.setenv("BUNCHTRAIN_TRUST_CODE", "1")
    assert parts.find("model", name).__name__ == "MyBackbone"
    (run / "parts" / "own.py").write_text(OWN + "\n")
    with pytest.raises(RunError, match="was changed after the run was made"):
        parts.find("model", name)
    hashes = json.loads((run / "parts" / "hashes.json").read_text())
    assert list(hashes) == ["own.py"]


NOTEBOOK = [
    "import numpy as np\nfrom torch import nn, Tensor\nWIDTH = 4",
    "def double(x):\n    return 2 * x",
    OWN.split("\n\n", 1)[1].split("class Clash")[0].replace("k: int = 2", "k: int = double(WIDTH)"),
]


def test_a_class_of_a_notebook_is_a_part(study, monkeypatch):
    """The class is defined in several cells, as IPython runs them."""
    notebook = type(sys)("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    for index, cell in enumerate(NOTEBOOK):
        file = f"<ipython-input-{index}>"
        monkeypatch.setitem(linecache.cache, file, (len(cell), None, cell.splitlines(True), file))
        exec(compile(cell, file, "exec", dont_inherit=True), vars(notebook))
    own = notebook.MyBackbone
    loaded = load(study, model={"name": own, "k": 3})
    assert list(model_configs(loaded)) == ["my_backbone"]
    part = parts.find("model", loaded.model.name)
    assert part is not own
    assert parts.options(part)["k"].default == 8
    assert part(3, 2).layer.weight.shape == (2, 3)


def test_a_class_of_the_toolkit_stands_for_its_name(study):
    from bunchtrain.networks.dense_network import DenseNetwork

    assert load(study, model=DenseNetwork) == load(study)


def test_a_class_without_source_is_an_error(study):
    with pytest.raises(StudyError, match="must be defined at the top level"):
        load(study, model=type("A", (), {"__qualname__": "f.A", "__module__": "__main__"}))


def test_summaries_are_kept_by_the_hash_of_their_file(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path))
    first = parts.describe_all(["split"])
    assert first == {("split", name): parts.describe("split", name) for _, name in first}
    kept = tmp_path / "parts.json"
    content = json.loads(kept.read_text())
    assert len(content) == len(first)
    changed = dict.fromkeys(content, ("kept", "1234.5678"))
    kept.write_text(json.dumps(changed))
    assert {one.summary for one in parts.describe_all(["split"]).values()} == {"kept"}
    kept.write_text("[")
    assert parts.describe_all(["split"]) == first
