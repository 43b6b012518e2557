"""The command: help, notes on old names, and errors, without a run."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

import bunchtrain
from bunchtrain.cli import aliases, catalogue, results
from bunchtrain.cli.main import app, main
from bunchtrain.errors import DeprecatedKey, UserError

OLD = {
    "source": {"name": "files", "files": "nowhere.root"},
    "targets": {"jet": {"classes": {"qcd": "y == 0", "top": "y == 1"}}},
    "represent": {"name": "table", "features": ["x"]},
    "model": "dense_network",
    "evaluation": {"signal": "top"},
}


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """The command in this process: exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["bunchtrain", *map(str, arguments)])
            patch.setattr(warnings, "showwarning", warnings.showwarning)
            with pytest.raises(SystemExit) as ended:
                main()
        shown = capsys.readouterr()
        return ended.value.code, shown.out, shown.err

    return run


def test_old_commands_are_not_in_the_help():
    shown = CliRunner().invoke(app, ["--help"]).output
    assert "evaluate" in shown
    for name in ("shift", "workspace", "reweight", "capsules"):
        assert f" {name} " not in shown
        assert get_command(app).commands[name].hidden


def test_old_keys_give_a_note_in_one_line(command, tmp_path):
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(OLD))
    code, _, err = command("run", "s.yaml", "training.epochs=0")
    assert code == 2
    note, error = [line for line in err.splitlines() if line.strip()]
    assert note.startswith("bunchtrain: s.yaml: old keys")
    assert "'represent' is now 'representation'" in note
    assert "'evaluation.signal' is now 'targets.jet.signal'" in note
    assert error.startswith("bunchtrain: s.yaml: training.epochs")


@pytest.mark.parametrize(
    ("old", "options", "new"),
    [
        ("shift", {"by": ["jes=0.02", "x"]}, "systematic_shift RUN 'by={jes: 0.02, x: null}'"),
        ("shift", {"by": ["jes"], "steps": 3}, "response_curve RUN 'by={jes: null}' steps=3"),
        (
            "workspace",
            {"rate": ["qcd=0.1"], "min_background": 5.0},
            "expected_sensitivity RUN 'rates={qcd: 0.1}' bins=10 min_background=5.0",
        ),
        ("reweight", {"output": "w.root"}, "reweighting RUN output=w.root"),
        ("capsules", {"output": "c.parquet"}, "capsules RUN output=c.parquet"),
    ],
)
def test_old_commands_print_the_new_one_and_run_it(monkeypatch, old, options, new):
    made = []
    monkeypatch.setattr(aliases, "evaluate", lambda name, words: made.append((name, words)))
    defaults = {"bins": 10} if old == "workspace" else {}
    with pytest.warns(DeprecatedKey) as notes:
        getattr(aliases, old)(["RUN"], **defaults | options)
    assert str(notes[-1].message).endswith(f"it is now: bunchtrain evaluate {new}")
    assert made[-1][0] == new.split()[0]
    assert made[-1][1][0] == "RUN"


def test_sizes_are_positive_numbers():
    assert aliases.parse_sizes(["a=0.5", "b"]) == {"a": 0.5, "b": None}
    with pytest.raises(UserError, match="'a=x': the size 'x' is not a number"):
        aliases.parse_sizes(["a=x"])
    with pytest.raises(UserError, match="'a=-1': the size must be above 0"):
        aliases.parse_sizes(["a=-1"])


def test_member_of_export_is_now_model(monkeypatch):
    found = {}
    monkeypatch.setattr("bunchtrain.open_run", lambda run: type("Run", (), {"files": run}))
    monkeypatch.setattr("bunchtrain.workflow.export.export_run", lambda *a, **k: found.update(k))
    with pytest.warns(DeprecatedKey, match="--member is now --model"):
        results.export("run", "onnx", member="flow")
    assert found["model"] == "flow"


def test_options_of_a_part_have_types_defaults_and_descriptions(command):
    code, out, _ = command("parts", "evaluation", "working_points")
    assert code == 0
    assert any("fractions" in line and "dict[str, float" in line for line in out.splitlines())
    assert "from 0 to 1" in out
    assert "each other class" in out


def test_options_of_a_part_in_a_file_are_shown(command, tmp_path):
    text = '"""Mine."""\nfrom torch import nn\nclass MyNet(nn.Module):\n    """My network."""\n'
    text += "    def __init__(self, table, outputs, *, k: int = 2):\n        super().__init__()\n"
    text += "    def forward(self, table):\n        return table\n"
    (tmp_path / "mine.py").write_text(text)
    code, out, _ = command("parts", "model", "./mine.py:MyNet")
    assert code == 0
    assert "model my_net: My network." in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["parts", "modell"], "unknown kind of part 'modell'; did you mean 'model'"),
        (["parts", "model", "particle_nett"], "did you mean 'particle_net'"),
        (["evaluate", "classification", "target=jet"], "give the folder of at least one RUN"),
        (["run"], "give a STUDY, or a run with --resume"),
        (["run", "top_tagging", "--only", ","], "--only: there is no name; give one, or several"),
    ],
)
def test_mistakes_are_one_sentence(command, arguments, message):
    code, _, err = command(*arguments)
    assert code == 2
    assert message in err
    assert err.startswith("bunchtrain: ")
    assert len(err.strip().splitlines()) == 1


def test_listing_all_parts_names_each(command):
    code, out, _ = command("parts")
    assert code == 0
    for kind in catalogue.registry.KINDS:
        for name in catalogue.registry.locate(kind):
            assert name in out


def plain_rows(text, first):
    """The rows of a plain table below its heading."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(first))
    return [line.split() for line in lines[start + 1 :] if line]


@pytest.mark.parametrize("width", [20, 80])
def test_names_are_never_cut_or_wrapped(command, tmp_path, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    names = [
        "jet1TrksP4_fP_fX_of_the_second_leading_jet",
        "x",
        "EventInfoAuxDyn.averageInteractions",
    ]
    pq.write_table(pa.table({name: [1.5, 2.5] for name in names}), tmp_path / "long.parquet")
    code, out, _ = command("inspect", "long.parquet")
    assert code == 0
    assert [row[:4] for row in plain_rows(out, "column")] == [
        [name, "float64", "1.5", "2.5"] for name in names
    ]
    _, out, _ = command("parts", "source")
    for name in catalogue.registry.locate("source"):
        assert any(row[:2] == ["source", name] for row in plain_rows(out, "kind"))


def test_contents_and_parts_as_json(command, tmp_path):
    pq.write_table(pa.table({"x": [1.5, float("nan")], "n": [1, 2]}), tmp_path / "a.parquet")
    _, out, _ = command("inspect", "a.parquet", "--json")
    (table,) = json.loads(out)["tables"]
    assert [column["name"] for column in table["columns"]] == ["x", "n"]
    assert table["columns"][0]["nans"] == 1
    _, out, _ = command("parts", "split", "--json")
    assert {entry["name"] for entry in json.loads(out)} == set(catalogue.registry.locate("split"))
    _, out, _ = command("parts", "split", "kfold", "--json")
    content = json.loads(out)
    assert {option["option"] for option in content["options"]} >= {"folds", "fold"}
    assert all(option["description"] for option in content["options"])


@pytest.mark.parametrize(
    ("kind", "name"), [("model", "boosted_trees"), ("loss", "disco"), ("engine", "ray")]
)
def test_a_part_is_shown_with_an_example_that_is_valid(command, kind, name):
    code, out, _ = command("parts", kind, name)
    assert code == 0
    example = out.partition("Example:")[2].partition("Studies that use it")[0]
    assert name in json.dumps(yaml.safe_load(example))
    if kind == "model":
        assert "b_tagging" in out.partition("Studies that use it: ")[2]


def test_starting_study_and_its_check(command, tmp_path):
    draws = np.random.default_rng(1)
    columns = {"mass": draws.normal(size=300), "pt": draws.normal(size=300)}
    pq.write_table(pa.table({**columns, "is_top": np.arange(300) % 2}), tmp_path / "a.parquet")
    code, out, _ = command("init", "a.parquet", "-o", "s.yaml")
    assert code == 0
    assert "The target is the column 'is_top'" in out
    assert "Next: bunchtrain run s.yaml" in out
    code, out, _ = command("check", "s.yaml")
    assert code == 0
    assert "3 columns are read" in out
    assert "no problem found" in out
    code, out, _ = command("check", "s.yaml", "model=particle_net")
    assert code == 2
    assert "problem: model 'particle_net' needs" in out


def test_public_names_of_the_package():
    names = {"run", "load", "open_run", "compare", "Run", "Study"}
    names |= {"shift", "workspace", "reweight", "tune", "inspect", "init", "check", "evaluate"}
    assert names <= set(dir(bunchtrain))
    for name in dir(bunchtrain):
        assert getattr(bunchtrain, name) is not None


@pytest.mark.parametrize("words", [["--help"], ["parts"], ["studies"], ["parts", "model"]])
def test_help_and_lists_need_no_torch(words):
    code = "import sys; from bunchtrain.cli.main import app\n"
    code += f"app({words!r}, standalone_mode=False)\n"
    code += "heavy = {'torch', 'pytorch_lightning', 'matplotlib', 'awkward'} & set(sys.modules)\n"
    code += "assert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
