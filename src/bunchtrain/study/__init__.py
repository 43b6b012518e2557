"""What a study file says: typed, and validated before anything else is opened."""

from bunchtrain.study.loading import find, known, load, validate
from bunchtrain.study.members import Member, members, only_members
from bunchtrain.study.reference import json_schema
from bunchtrain.study.schema import Study, Target

__all__ = [
    "Member",
    "Study",
    "Target",
    "find",
    "json_schema",
    "known",
    "load",
    "members",
    "only_members",
    "validate",
]
