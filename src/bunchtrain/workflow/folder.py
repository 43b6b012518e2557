"""The folder of a run: the paths of its files, its study and its state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from filelock import FileLock, Timeout
from pydantic import BaseModel

from bunchtrain import parts
from bunchtrain.errors import BunchtrainError, MachineError, RunError, file_error
from bunchtrain.files import as_path, read_json, write_json, write_text
from bunchtrain.study import Study, validate
from bunchtrain.study.derived import with_source
from bunchtrain.study.loading import read
from bunchtrain.study.stages import PrepareStage
from bunchtrain.workflow.environment import environment
from bunchtrain.workflow.manifest import Manifest, check_links, inside

if TYPE_CHECKING:
    from bunchtrain.workflow.run_files import State


class RunFolder:
    """The files of a run."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, study: Study, parent: Path) -> RunFolder:
        """Return a new folder `<parent>/<study>/<time>` with environment, state and full study.

        The study is written last: a folder without it is none of a run.
        """
        versions = environment()
        start = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        for attempt in range(1000):
            path = parent / study.name / (f"{start}-{attempt}" if attempt else start)
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as problem:
                raise file_error(problem, f"{path} cannot be created") from None
            folder = cls(path)
            folder.manifest.write_json(path / "environment.json", versions)
            folder.set_state("running")
            write_text(folder.study_file, dump(study, path))
            folder.manifest.add_missing()
            return folder
        raise MachineError(f"{parent / study.name} has a thousand runs of this second")

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """Return the folder of an existing run.

        Raises RunError, naming the newest run below it, if it has no study.yaml.
        """
        folder = cls(as_path(path, "the folder of a run"))
        if not folder.study_file.is_file():
            nearby = sorted(folder.path.glob("*/study.yaml")) if folder.path.is_dir() else []
            hint = f"; did you mean {nearby[-1].parent}?" if nearby else ""
            raise RunError(f"{path} is not the folder of a run: it has no study.yaml{hint}")
        written = ("environment.json", "status.json", "data.json")
        if not any((folder.path / one).is_file() for one in written):
            raise RunError(f"{path} is the folder of a study, not of a run: bunchtrain run {path}")
        check_links(folder.path)
        return folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process, until its end at the latest; its workers need no lock.

        Raises RunError if another process runs it, UserError if it cannot be written.
        """
        lock = FileLock(self.path / ".run.lock", blocking=False)
        try:
            lock.acquire()
        except Timeout:
            raise RunError(
                f"{self.path} is run by another process; wait for its end, or stop it"
            ) from None
        except OSError as problem:
            raise file_error(problem, f"{self.path} cannot be written") from None
        try:
            yield
        finally:
            lock.release()

    @cached_property
    def manifest(self) -> Manifest:
        """The hashes of the files."""
        return Manifest(self.path)

    @property
    def study_file(self) -> Path:
        """The full configuration."""
        return self.path / "study.yaml"

    @property
    def metrics_file(self) -> Path:
        """Model → metric → {value, error}."""
        return self.path / "metrics.json"

    @property
    def predictions_file(self) -> Path:
        """Truth and predictions of the test set."""
        return self.path / "predictions.parquet"

    @property
    def report_file(self) -> Path:
        """The report."""
        return self.path / "report.html"

    def model(self, name: str) -> Path:
        """Return the folder of a model; runs of release 0.1 have it below `members/`."""
        parent = "members" if (self.path / "members").is_dir() else "models"
        return inside(self.path, f"{parent}/{name}")

    def start(self, name: str) -> Path:
        """Return the folder of the trained model that a model starts from."""
        return inside(self.path, f"start/{name}")

    def ensemble(self, name: str) -> Path:
        """Return the file of a fitted ensemble."""
        return inside(self.path, f"ensembles/{name}.json")

    def evaluation(self, key: str) -> Path:
        """Return the folder of an evaluation's results."""
        return inside(self.path, f"evaluations/{key}")

    def study(self) -> Study:
        """Return the study of the run.

        Raises StudyError if it is damaged, RunError if it or a model names code that is not
        trusted.
        """
        content = read(self.study_file)
        parts.check_recorded(content, self.path)
        for name in ("task.json", "network.json"):
            for file in self.path.glob(f"m*/**/{name}"):  # models, or members in release 0.1
                parts.check_recorded(read_json(file), file.parent)
        return with_source(validate(content, str(self.study_file), self.path), self.path)

    def json(self, name: str) -> Any:
        """Return the content of a JSON file of the run, {} if it is missing.

        Raises RunError if it is damaged or has content of another type.
        """
        from bunchtrain.workflow.run_files import KINDS  # with matplotlib, for those of results

        in_model = name.removeprefix("models/")
        path = inside(self.path, name) if in_model == name else self.model(in_model)
        return read_json(path, KINDS.get(path.name, dict[str, Any])) if path.is_file() else {}

    @property
    def state(self) -> State:
        """State of the run."""
        found: State = self.json("status.json").get("state", "interrupted")
        return found

    def set_state(self, state: State, **more: object) -> None:
        """Write the state of the run."""
        write_json(self.path / "status.json", {"state": state, **more})


def newest_run(runs: Path, holds: Callable[[RunFolder], bool]) -> RunFolder | None:
    """Return the newest run of a study that is finished, or was stopped and has what is needed.

    A run of which only some stages were chosen is such a stopped one.

    runs   folder of the runs of the study.
    holds  whether a stopped run has what is needed; a damaged one has not.
    """
    for path in sorted(runs.glob("*/study.yaml"), reverse=True):
        folder = RunFolder(path.parent)
        if folder.state == "finished":
            return folder
        if folder.state == "interrupted":
            with suppress(BunchtrainError):
                if holds(folder):
                    return folder
    return None


def dump(study: Study, run: Path | None = None) -> str:
    """Return a study as YAML, all defaults included; files of its parts are copied into a run."""
    content = _without_unset(study, study.model_dump(mode="json"))
    if run is not None:
        content = parts.copy_files(content, run)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def _without_unset(value: Any, dumped: Any) -> Any:
    """Return a dumped value without the keys that are None; options of parts may be null."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        declared = {field.alias or name: getattr(value, name) for name, field in fields}
        removed = value.model_fields_set if isinstance(value, PrepareStage) else ()
        set_keys = {
            k: _without_unset(v, dumped[k])
            for k, v in declared.items()
            if v is not None or k in removed
        }
        return set_keys | {k: dumped[k] for k in value.model_extra or {}}
    if isinstance(value, dict):
        return {k: _without_unset(value[k], dumped[k]) for k in value}
    if isinstance(value, list):
        return [_without_unset(*both) for both in zip(value, dumped, strict=True)]
    return dumped
