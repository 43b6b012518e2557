"""Studies: one YAML file each, validated before anything else is opened."""

from bunchtrain.study.base import Part
from bunchtrain.study.data_keys import TargetConfig
from bunchtrain.study.evaluations import (
    all_evaluations,
    evaluation_options,
    stage_evaluations,
    stage_prefixes,
)
from bunchtrain.study.loading import find, known, load, validate
from bunchtrain.study.model_keys import Ensemble
from bunchtrain.study.models import (
    ModelConfig,
    ensemble_models,
    gives_probabilities,
    model_configs,
    select_models,
    training_names,
)
from bunchtrain.study.published import PublishedValue
from bunchtrain.study.reference import json_schema
from bunchtrain.study.schema import Study

__all__ = [
    "Ensemble", "ModelConfig", "Part", "PublishedValue", "Study", "TargetConfig", "all_evaluations",
    "ensemble_models", "evaluation_options", "find", "gives_probabilities", "json_schema", "known",
    "load", "model_configs", "select_models", "stage_evaluations", "stage_prefixes",
    "training_names", "validate",
]  # fmt: skip
