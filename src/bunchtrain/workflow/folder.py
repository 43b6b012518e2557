"""The folder of a run: the paths of its files, its study and its state."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel

from bunchtrain import parts
from bunchtrain.errors import MachineError, RunError
from bunchtrain.files import write_json, write_text
from bunchtrain.study import Study, validate

State = Literal["running", "interrupted", "failed", "finished"]


class RunFolder:
    """The files of a run."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, study: Study, parent: Path) -> RunFolder:
        """Return a new folder `<parent>/<study>/<time>` that holds the full study."""
        start = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        for attempt in range(1000):
            path = parent / study.name / (f"{start}-{attempt}" if attempt else start)
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as problem:
                raise MachineError(f"{path} cannot be created: {problem.strerror}") from None
            folder = cls(path)
            write_text(folder.study_file, dump(study, path))
            return folder
        raise MachineError(f"{parent / study.name} has a thousand runs of this second")

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """Return the folder of an existing run.

        Raises RunError, naming the newest run below it, if it has no study.yaml.
        """
        folder = cls(Path(path))
        if not folder.study_file.is_file():
            nearby = sorted(folder.path.glob("*/study.yaml"))
            hint = f"; did you mean {nearby[-1].parent}?" if nearby else ""
            raise RunError(f"{path} is not the folder of a run: it has no study.yaml{hint}")
        written = ("environment.json", "status.json", "data.json")
        if not any((folder.path / one).is_file() for one in written):
            raise RunError(f"{path} is the folder of a study, not of a run: bunchtrain run {path}")
        return folder

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
        old = self.path / "members"
        return (old if old.is_dir() else self.path / "models") / name

    def ensemble(self, name: str) -> Path:
        """Return the file of a fitted ensemble."""
        return self.path / "ensembles" / f"{name}.json"

    def evaluation(self, key: str) -> Path:
        """Return the folder of an evaluation's results."""
        return self.path / "evaluations" / key

    def study(self) -> Study:
        """Return the study of the run.

        Raises RunError if it or a model names code that is not trusted.
        """
        content = yaml.safe_load(self.study_file.read_text(encoding="utf-8"))
        parts.check_recorded(content, self.path)
        for name in ("task.json", "network.json"):
            for file in self.path.rglob(name):
                parts.check_recorded(json.loads(file.read_text(encoding="utf-8")), file.parent)
        return validate(content, str(self.study_file), self.path)

    def json(self, name: str) -> Any:
        """Return the content of a JSON file of the run, {} if it is missing."""
        inside = name.removeprefix("models/")
        path = self.path / name if inside == name else self.model(inside)
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    @property
    def state(self) -> State:
        """State of the run."""
        found: State = self.json("status.json").get("state", "interrupted")
        return found

    def set_state(self, state: State, **more: object) -> None:
        """Write the state of the run."""
        write_json(self.path / "status.json", {"state": state, **more})


def dump(study: Study, run: Path | None = None) -> str:
    """Return a study as YAML, all defaults included; files of its parts are copied into a run."""
    content = _without_unset(study, study.model_dump(mode="json"))
    if run is not None:
        content = parts.copy_files(content, run)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def _without_unset(value: Any, dumped: Any) -> Any:
    """Return a dumped value without the keys that are None; options of parts may be null."""
    if isinstance(value, BaseModel):
        declared = {name: getattr(value, name) for name in type(value).model_fields}
        set_keys = {k: _without_unset(v, dumped[k]) for k, v in declared.items() if v is not None}
        return set_keys | {k: dumped[k] for k in value.model_extra or {}}
    if isinstance(value, dict):
        return {k: _without_unset(value[k], dumped[k]) for k in value}
    if isinstance(value, list):
        return [_without_unset(*both) for both in zip(value, dumped, strict=True)]
    return dumped
