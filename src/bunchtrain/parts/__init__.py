"""Parts of a study: classes that are found by kind and name, with options from their signatures.

A part is one class in one file of its kind's package: `networks/particle_net.py` holds
`ParticleNet`, and a study names it `particle_net`. Its options are the keyword-only arguments of
its constructor; the toolkit supplies the positional ones. Other parts are given by a file,
`./my_network.py:MyNetwork`, or by an entry point `bunchtrain.model`, `bunchtrain.loss`, ...
"""

from bunchtrain.parts.messages import describe as describe_problem
from bunchtrain.parts.notebook import replace_classes
from bunchtrain.parts.options import (
    Option,
    Options,
    descriptions,
    option_docs,
    option_model,
    options,
    paragraphs,
    positional,
)
from bunchtrain.parts.own import (
    absolute_name,
    check_recorded,
    copy_files,
    is_own,
    map_names,
    relative_name,
    report_own_errors,
)
from bunchtrain.parts.registry import (
    KINDS,
    PROCESS,
    RENAMED,
    RENAMED_OPTIONS,
    build,
    find,
    locate,
    short_name,
    validate,
)
from bunchtrain.parts.summaries import describe, describe_all

__all__ = [
    "KINDS", "PROCESS", "RENAMED", "RENAMED_OPTIONS", "Option", "Options", "absolute_name", "build",
    "check_recorded", "copy_files", "describe", "describe_all",
    "describe_problem", "descriptions", "find",
    "is_own", "locate", "map_names", "option_docs", "option_model", "options", "paragraphs",
    "positional", "relative_name", "replace_classes", "report_own_errors", "short_name",
    "validate",
]  # fmt: skip
