"""A run is a folder: this file knows what lies where, and writes nothing half."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import yaml

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
        for number in range(1000):
            path = parent / study.name / (f"{start}-{number}" if number else start)
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as problem:
                raise MachineError(f"{path} cannot be made: {problem.strerror}") from None
            folder = cls(path)
            write_text(folder.study_file, dump(study))
            return folder
        raise MachineError(f"{parent / study.name} has a thousand runs of this second")

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """Return the folder of a run that is there.

        Raises RunError, naming the newest runs nearby, if it is none.
        """
        folder = cls(Path(path))
        if not folder.study_file.is_file():
            nearby = sorted(folder.path.glob("*/study.yaml"))
            hint = f"; did you mean {nearby[-1].parent}?" if nearby else ""
            raise RunError(f"{path} is not the folder of a run: it has no study.yaml{hint}")
        return folder

    @property
    def study_file(self) -> Path:
        """The full configuration."""
        return self.path / "study.yaml"

    @property
    def metrics_file(self) -> Path:
        """The figures."""
        return self.path / "metrics.json"

    @property
    def gains_file(self) -> Path:
        """What the ensembles gain over their best members."""
        return self.path / "gains.json"

    @property
    def predictions_file(self) -> Path:
        """The scores of the test set."""
        return self.path / "predictions.parquet"

    @property
    def report_file(self) -> Path:
        """The report."""
        return self.path / "report.html"

    def model(self, name: str) -> Path:
        """Return the folder of one network."""
        return self.path / "models" / name

    def ensemble(self, name: str) -> Path:
        """Return the file of a trained ensemble."""
        return self.path / "ensembles" / f"{name}.json"

    def study(self) -> Study:
        """Return the study that was run."""
        content = yaml.safe_load(self.study_file.read_text(encoding="utf-8"))
        return validate(content, str(self.study_file))

    def json(self, name: str) -> Any:
        """Return the content of a JSON file of the run, or {} where there is none."""
        path = self.path / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    @property
    def state(self) -> State:
        """How far the run has come."""
        found: State = self.json("status.json").get("state", "interrupted")
        return found

    def set_state(self, state: State, **more: object) -> None:
        """Write down how far the run has come."""
        write_json(self.path / "status.json", {"state": state, **more})


def dump(study: Study) -> str:
    """Return a study as YAML, all defaults written out."""
    content = study.model_dump(mode="json", exclude_none=True)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
