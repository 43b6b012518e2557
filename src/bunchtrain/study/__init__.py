"""What a study file says: typed, and validated before anything else is opened."""

from bunchtrain.study.ensembles import combined
from bunchtrain.study.loading import find, known, load, validate
from bunchtrain.study.models import ModelConfig, model_configs, select_models
from bunchtrain.study.reference import json_schema
from bunchtrain.study.schema import Ensemble, Study, Target

__all__ = [
    "Ensemble",
    "ModelConfig",
    "Study",
    "Target",
    "combined",
    "find",
    "json_schema",
    "known",
    "load",
    "model_configs",
    "select_models",
    "validate",
]
