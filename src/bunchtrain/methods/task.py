"""The task: one network and how to train it, as plain data that any worker rebuilds it from."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from torch import nn

from bunchtrain import parts
from bunchtrain.errors import RunError, StudyError
from bunchtrain.files import write_json
from bunchtrain.heads._loss import Loss, TargetShape
from bunchtrain.methods.supervised import check_fit
from bunchtrain.representations._representation import Representation
from bunchtrain.representations.preprocessing.finite import Policy
from bunchtrain.uncertainty.calibration import Calibration

#: Name and options of a part.
Named = tuple[str, dict[str, Any]]
#: What may differ when an interrupted training goes on.
FREE = {"cache", "folder", "memory", "columns"}
#: Objectives that are −log likelihoods, but for a constant factor.
LIKELIHOODS = ("cross_entropy", "binary_cross_entropy", "gaussian_nll", "mean_squared_error")
FREE_SETTINGS = {"engine", "threads", "logs"}


@dataclass(frozen=True)
class Task:
    """One network to train; plain data, so that it travels to workers and into files.

    cache       folder of the event cache.
    folder      where weights, checkpoint, curves and `training.json` are written.
    representation  name and options of the representation; `model` likewise.
    terms       of the loss: (objective, options, target, weight).
    targets     target name → {"classes": [...]} or {"values": [...]}.
    settings    the keys of `study.schema.Training`, as a mapping or as the object itself.
    invalid     what to do with NaN and infinity: refuse, clip, impute or drop.
    memory      bound in bytes on the represented events of one worker.
    columns     that the representation reads; found in the cache if empty.
    posterior   name and options of the distribution of the weights, None for plain weights.
    calibration     names and options of the calibrations, fitted in this order.
    """

    cache: str
    folder: str
    representation: Named
    model: Named
    terms: list[tuple[str, dict[str, Any], str, float]]
    targets: dict[str, dict[str, list[str]]]
    settings: dict[str, Any]
    seed: int = 1
    invalid: Policy = "refuse"
    memory: int = 2_000_000_000
    columns: list[str] = field(default_factory=list)
    posterior: Named | None = None
    calibration: list[Named] = field(default_factory=list)

    def __post_init__(self) -> None:
        if hasattr(self.settings, "model_dump"):
            object.__setattr__(self, "settings", self.settings.model_dump(mode="json"))
        for path in ("cache", "folder"):
            object.__setattr__(self, path, str(getattr(self, path)))

    @property
    def engine(self) -> Named:
        """Name and options of the engine."""
        options = dict(self.settings["engine"])
        return options.pop("name"), options

    def build_representation(self, available: Collection[str]) -> tuple[Representation, list[str]]:
        """Return the representation and the columns that it reads, of those available.

        Raises DataError if a column is missing.
        """
        made: Representation = parts.build("representation", *self.representation)
        return made, made.columns(self.columns or available)

    def objectives(self) -> list[tuple[Loss, float]]:
        """Return the terms of the loss with their weights."""
        return [
            (parts.build("loss", name, options, self._shape(target)), weight)
            for name, options, target, weight in self.terms
        ]

    @property
    def spectators(self) -> list[str]:
        """The columns that the objectives look at and the network does not see, sorted."""
        return sorted({name for term, _ in self.objectives() for name in term.spectators})

    def _shape(self, target: str) -> TargetShape:
        shape = self.targets[target]
        return TargetShape(target, tuple(shape.get("classes", ())), tuple(shape.get("values", ())))

    def heads(self) -> dict[str, int]:
        """Return target → numbers that its objectives need of the network.

        Raises StudyError if two objectives of a target need different ones, or no target any.
        """
        heads: dict[str, int] = {}
        for objective, _ in self.objectives():
            target, outputs = objective.target.name, objective.outputs
            if outputs and heads.setdefault(target, outputs) != outputs:
                raise StudyError(
                    f"loss: the terms on target '{target}' need {heads[target]} and {outputs} "
                    "outputs; combine only terms that need the same"
                )
        if not heads:
            raise StudyError("loss: no term fits a target; add one such as 'cross_entropy'")
        return heads

    def build_model(self, representation: Representation) -> nn.Module:
        """Return the model for the tensors of this representation, with fresh weights.

        Raises StudyError if the model needs a tensor that the representation does not give.
        """
        name, options = self.model
        kind, gives = parts.find("model", name), representation.sizes
        check_fit(kind, name, gives, self.representation[0])
        outputs = sum(self.heads().values())
        sizes = [outputs if size == "outputs" else gives[size] for size in parts.given(kind)]

        def make() -> nn.Module:
            model: nn.Module = parts.build("model", name, options, *sizes)
            return model

        if self.posterior is None:
            return make()
        self._check_posterior()
        drawn: nn.Module = parts.build("posterior", *self.posterior, make, self.seed)
        return drawn

    def _check_posterior(self) -> None:
        """Raise StudyError for settings and objectives that a posterior does not go with."""
        if self.posterior and self.posterior[0] == "last_layer_laplace":
            self._check_likelihood()
        mixing = {"gradient_clip": self.settings.get("gradient_clip") is not None}
        mixing["schedule: plateau"] = self.settings["schedule"] == "plateau"
        if self.posterior and self.posterior[0] == "deep_ensemble":
            for setting, given in mixing.items():
                if given:
                    raise StudyError(
                        f"posterior 'deep_ensemble' trains its members apart, and 'training."
                        f"{setting}' looks at all of them together; leave it out"
                    )

    def _check_likelihood(self) -> None:
        names = [name for name, *_ in self.terms]
        if len(names) != 1 or names[0] not in LIKELIHOODS:
            raise StudyError(
                f"posterior 'last_layer_laplace' needs a loss that is the logarithm of a "
                f"likelihood, one of {', '.join(LIKELIHOODS)} alone; the study gives "
                f"{', '.join(names)}"
            )

    def calibrations(self) -> dict[str, list[Calibration]]:
        """Return target → its calibrations, not fitted yet."""
        return {
            target: [
                parts.build("calibration", name, options, self._shape(target))
                for name, options in self.calibration
            ]
            for target in self.targets
        }

    def save(self) -> None:
        """Write `task.json` into the folder."""
        write_json(Path(self.folder) / "task.json", asdict(self))

    @classmethod
    def load(cls, folder: str | Path) -> Task:
        """Return the task of a folder, wherever the folder is now.

        Raises RunError if there is none.
        """
        path = Path(folder) / "task.json"
        if not path.is_file():
            raise RunError(f"{folder} holds no task.json: it is not the folder of a training")
        return replace(cls.from_plain(json.loads(path.read_text())), folder=str(folder))

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Task:
        """Return the task from what `dataclasses.asdict` and JSON made of it."""
        single = {
            key: tuple(plain[key])
            for key in ("representation", "model", "posterior")
            if plain.get(key)
        }
        several = {
            key: [tuple(one) for one in plain.get(key, [])] for key in ("terms", "calibration")
        }
        return cls(**{**plain, **single, **several})

    def check_resume(self) -> None:
        """Raise RunError if the folder holds another task than this one."""
        ours, theirs = self._essence(), Task.load(self.folder)._essence()
        for key, value in ours.items():
            if theirs.get(key) != value:
                raise RunError(
                    f"{self.folder} cannot be resumed: '{key}' was {theirs.get(key)!r} and is now "
                    f"{value!r}; start a new run"
                )

    def _essence(self) -> dict[str, Any]:
        plain = json.loads(json.dumps(asdict(self)))
        essence = {f.name: plain[f.name] for f in fields(self) if f.name not in FREE}
        settings = essence.pop("settings")
        return essence | {f"training.{k}": v for k, v in settings.items() if k not in FREE_SETTINGS}
