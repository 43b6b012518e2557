"""Preparation, prediction and generation in pieces give the files that one process writes."""

import copy
from functools import partial
from pathlib import Path

import pytest
from conftest import SAMPLE, STUDY, InThisProcess  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.errors import DataError, InterruptedRun
from bunchtrain.study import validate
from bunchtrain.tables.sources.files import Files
from bunchtrain.tables.writing import write_table
from bunchtrain.workflow import generate, predict, predict_new_events
from bunchtrain.workflow.generate import generate_events
from bunchtrain.workflow.preparation import event_cache, event_caches
from bunchtrain.workflow.run_events import run_events
from bunchtrain.workflow.wide import event_set, generation, prediction
from bunchtrain.workflow.wide import spread as module
from bunchtrain.workflow.wide.cache import prepare_source, spread_cache
from bunchtrain.workflow.wide.generation import generate_wide
from bunchtrain.workflow.wide.prediction import predict_wide


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two files of the sample's first events, in different formats."""
    paths = [tmp_path_factory.mktemp("files") / f"few{ending}" for ending in (".root", ".parquet")]
    every = Files(files=str(SAMPLE))
    columns = [name for name in every.fields() if name != "file_number"]
    for path in paths:
        write_table(path, [next(every.blocks(columns, 250))], "events")
    return [str(path) for path in paths]


def test_predictions_of_files_are_equal(finished, files, tmp_path, monkeypatch):
    for one in (predict_new_events, prediction):
        monkeypatch.setattr(one, "ROWS", 60)
    monkeypatch.setattr(prediction, "_LEAST", 100)
    made = {}
    for name in ("one", "wide"):
        place = tmp_path / name
        place.mkdir()
        executor = InThisProcess(3, ["predict.0"])

        def wide(predictor, paths, executor=executor, place=place):
            return predict_wide(executor, place, finished.folder, predictor, paths)

        output, given = place / "scores.parquet", wide if name == "wide" else None
        counts = finished.write_predictions(files, output, wide=given)
        made[name] = (counts, output.read_bytes())
    assert made["one"] == made["wide"]
    assert not list((tmp_path / "wide").glob(".*"))


def test_one_piece_is_predicted_here(finished, tmp_path):
    executor = InThisProcess(2)
    predictor = finished.predictor()
    with predict_wide(
        executor, tmp_path, finished.folder, predictor, [(str(SAMPLE), None)]
    ) as made:
        assert made is None


def test_errors_of_a_file_name_it(finished, files, tmp_path):
    (tmp_path / "no.csv").write_text("x,y\n1,2\n")
    names = [(files[0], None), (str(tmp_path / "no.csv"), None)]
    with (
        pytest.raises(DataError, match=r"no\.csv: .*has no column|no\.csv.* has no column"),
        predict_wide(InThisProcess(2), tmp_path, finished.folder, finished.predictor(), names),
    ):
        pass


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    """A run of which only the training of a generator has been made."""
    place = tmp_path_factory.mktemp("mixture")
    content = {
        "name": "mixture",
        "source": {"name": "files", "files": str(SAMPLE)},
        "representation": {"name": "table", "features": ["jet_mass", "jet_pt"]},
        "models": {"mixture": {"method": {"name": "flow_matching", "widths": [8], "steps": 2}}},
        "training": {"epochs": 1, "batch_size": 64, "threads": 1},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(place / "cache"))
        return bunchtrain.run(validate(content), runs=place / "runs", only=["train.mixture"])


def test_generated_events_are_equal(mixture, tmp_path, monkeypatch):
    for one in (generate, generation):
        monkeypatch.setattr(one, "ROWS", 100)
    whole = list(generate_events(mixture.models, 250, seed=3))
    model = mixture.files.model("mixture")
    wide = list(generate_wide(InThisProcess(2), tmp_path, model, 250, seed=3))
    assert [len(block) for block in wide] == [100, 100, 50]
    for a, b in zip(whole, wide, strict=True):
        assert a.fields == b.fields
        assert a.to_list() == b.to_list()
    for name, events in (("whole", whole), ("wide", wide)):
        write_table(tmp_path / f"{name}.parquet", events, "generated")
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "wide.parquet").read_bytes()


def test_a_study_is_prepared_in_pieces(tmp_path, monkeypatch):
    content = copy.deepcopy(STUDY)
    source = Files(files=str(SAMPLE))
    columns = [name for name in source.fields() if name != "file_number"]
    write_table(tmp_path / "a.h5", source.blocks(columns, 500), "events")
    content["source"]["files"] = str(tmp_path / "a.h5")
    content["storage"] = {"memory": "4 MB"}
    study, read = validate(content), []
    found = {}
    for name in ("whole", "wide"):
        monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / name))
        spread = spread_cache(study, InThisProcess(2), read.append) if name == "wide" else None
        cache = event_cache(study, None, spread)
        found[name] = {path.name: path.read_bytes() for path in cache.folder.iterdir()}
        assert [path.name for path in event_caches(study).iterdir() if path.suffix != ".lock"] == [
            cache.folder.name
        ]
    assert found["whole"] == found["wide"]
    assert max(read) > 0


def test_a_source_without_parts_prepares_itself(tmp_path):
    prepare_source(validate(STUDY), InThisProcess(2), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_set_of_the_cache_is_predicted_in_pieces(finished, tmp_path, monkeypatch):
    for one in (predict, event_set):
        monkeypatch.setattr(one, "ROWS", 64)
    study, cache = finished.study, run_events(finished.files, finished.study)
    rows, models = cache.rows["test"], {"flow": finished.models["flow"]}
    predict.write_predictions(study, cache, models, tmp_path / "whole.parquet", "test")
    given = (finished.folder, finished.files.model("flow"), "flow", "test", -(-rows // 64))
    made = partial(event_set.predict_set, InThisProcess(2), *given)
    path = tmp_path / "wide.parquet"
    rates = predict.write_predictions(study, cache, models, path, "test", made)
    assert path.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert rates["flow"] > 0
    assert not list(finished.files.model("flow").glob(".predict*"))


class Pieces:
    """Work whose pieces 3 and 4 fail."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def is_done(self, index):
        return (self.folder / str(index)).is_file()

    def do(self, index):
        if index in (3, 4):
            raise DataError(f"no column at piece {index}")
        (self.folder / str(index)).touch()


def test_the_error_is_that_of_the_first_piece_and_others_are_kept(tmp_path, monkeypatch):
    monkeypatch.setitem(module.WORKS, "cache", f"{__name__}:Pieces")
    with pytest.raises(DataError, match="no column at piece 3"):
        module.spread(InThisProcess(2), tmp_path / "jobs", "cache", {"folder": str(tmp_path)}, 8)
    made = {int(path.name) for path in tmp_path.iterdir() if path.name != "jobs"}
    assert made == {0, 1, 2}


def test_an_interrupted_worker_is_reported(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_make", interrupt)
    with pytest.raises(InterruptedRun):
        module.spread(InThisProcess(1), tmp_path / "jobs", "cache", {}, 2)


def test_a_full_disk_in_a_worker_is_one_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "a.arrow")

    monkeypatch.setattr(module, "_make", full)
    with pytest.raises(
        bunchtrain.errors.MachineError, match=r"'a\.arrow' cannot be read or wr.*No"
    ):
        module.spread(InThisProcess(1), tmp_path / "jobs", "cache", {}, 2)
