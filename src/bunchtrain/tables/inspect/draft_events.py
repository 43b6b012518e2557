"""Drafts for rows that are events or objects: with a target, or without labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bunchtrain.errors import DataError
from bunchtrain.tables.cache.recipe import RESERVED
from bunchtrain.tables.inspect.column_roles import Roles, as_expression
from bunchtrain.tables.inspect.draft_lines import (
    Body,
    Decision,
    as_json,
    listed,
    lists_of_particles,
    pattern,
    spectators,
    table_inputs,
    weights_and_split,
)
from bunchtrain.tables.inspect.first_target import FirstTarget, reductions
from bunchtrain.tables.inspect.inspection import TableSummary
from bunchtrain.tables.inspect.opening import OpenedFiles

#: Components of an autoencoder and its linear baseline, of so many inputs at least.
_LATENT = 6


def target_body(
    opened: OpenedFiles, table: TableSummary, roles: Roles, target: FirstTarget
) -> Body:
    """Return a study with a target of each row, by boosted trees.

    Raises DataError if no column is left as an input.
    """
    features = inputs_of(opened, table, roles, target.columns)
    keys = [one.name for one in roles.keys]
    lines = [
        *_select(target),
        *_targets(roles, target),
        *weights_and_split(roles),
        *table_inputs(table, roles, features),
        *lists_of_particles(roles),
        "model: boosted_trees",
        "# training: {epochs: 20, batch_size: 256}   # for networks",
        "# models:                # to compare several models on the same events",
        "#   trees: {model: boosted_trees}",
        "#   network: {model: dense_network}",
        *spectators(keys),
        "",
        "evaluation:              # measured on the test set",
        *_evaluation(target),
    ]
    kind = "values" if target.is_regression else "classes"
    names = ", ".join(list(target.content)[:6])
    decisions = [
        Decision("target", f"{kind} {names}", target.note),
        Decision("model", "boosted_trees", f"of {len(features)} inputs; networks in comments"),
    ]
    add = {pattern(path, opened.paths): index for index, path in enumerate(opened.paths)}
    return Body(lines, decisions, {"label": add} if target.by_file else {})


def unlabelled_body(opened: OpenedFiles, table: TableSummary, roles: Roles) -> Body:
    """Return a study without a target: anomaly scores of an autoencoder and its baselines.

    Raises DataError if fewer than two columns are left as inputs.
    """
    features = inputs_of(opened, table, roles, set())
    if len(features) < 2:
        raise DataError(
            f"{opened.paths[0]}: the table '{table.name}' has no label and fewer than two columns "
            "of numbers that vary; give a file with one row per event, or --target COLUMN"
        )
    latent = min(_LATENT, max(1, (min(len(features), 100) - 1) // 2))
    lines = [
        "# No column is a label: events are described without one. A large anomaly score marks an",
        "# event that is unlike the others. If a column is a label: `init --target COLUMN`.",
        *listed("Columns whose values may be classes", roles.targets),
        *listed("Columns that may be predicted by a regression", roles.values[:5]),
        "# truth: {kind: {classes: {normal: a == 0, other: a == 1}}}   # for evaluations only",
        "",
        *weights_and_split(roles),
        *table_inputs(table, roles, features),
        *lists_of_particles(roles),
        *unlabelled_models(latent),
        *spectators([one.name for one in roles.keys]),
        "evaluation: [anomaly_scores]   # the scores of the test set, and its most unusual events",
    ]
    reason = f"no column is a label; {_candidates(roles)}"
    decisions = [
        Decision("target", "none", reason),
        Decision("models", "autoencoder, pca, isolation_forest", f"of {len(features)} inputs"),
    ]
    return Body(lines, decisions)


def unlabelled_models(latent: int) -> Iterator[str]:
    """Yield an autoencoder with its linear baseline and an isolation forest."""
    yield "training: {epochs: 30, batch_size: 256, patience: 8}"
    yield "models:"
    yield f"  pca: {{method: {{name: pca, components: {latent}}}}}   # the linear baseline"
    yield "  isolation_forest: {method: isolation_forest}"
    yield f"  autoencoder: {{method: {{name: autoencoder, latent: {latent}}}}}"
    yield "  # flow: {method: normalizing_flow}   # a density; pip install 'bunchtrain[flows]'"


def _candidates(roles: Roles) -> str:
    names = [one.name for one in roles.targets[:5]]
    return f"--target of {', '.join(names)}" if names else "--target COLUMN if one is"


def inputs_of(
    opened: OpenedFiles, table: TableSummary, roles: Roles, without: set[str]
) -> list[str]:
    """Return the expressions of the inputs, without those from which the target is made.

    Raises DataError if there are none.
    """
    flat = [as_expression(c.name) for c in roles.inputs if c.name not in without]
    found = [name for name in flat if name not in RESERVED]
    if len(found) < 3:
        found += reductions(roles)
    if not found:  # rather numbers without meaning than a study that cannot be run
        identifiers = [c.name for c in roles.excluded if c.reason != "constant" and c.column.range]
        found = [as_expression(name) for name in identifiers if name not in without]
    if not found:
        why, what = _why_none(table, roles)
        raise DataError(f"{opened.paths[0]}: no column is left as an input, since {why}; {what}")
    return found


def _why_none(table: TableSummary, roles: Roles) -> tuple[str, str]:
    """Return why no column is an input, and what the user can do."""
    what = "give a file with at least two columns of numbers that vary"
    reasons = {
        **{c.name: "text" for c in table.columns if c.type == "string"},
        **{c.name: c.reason for c in roles.excluded},
    }
    named = [f"'{name}' is {reason}" for name, reason in list(reasons.items())[:4]]
    named += [f"'{name}' cannot be read" for name in list(table.unreadable)[:2]]
    lists = [c for c in table.columns if c.is_list]
    if lists and not named:
        deep = [c for c in lists if c.type.startswith("var * var")]
        known = sorted(deep or lists, key=lambda c: "float" not in c.type)
        names = [c.name for c in known]
        kind = (
            "a list of lists" if deep else "a list without the prefix of an object, as jet_pt has"
        )
        named = [f"'{name}' is {kind}" for name in names[:1]]
        named += [f"as are {len(names) - 1} more"] if len(names) > 1 else []
        one = as_expression(names[0])
        use = f"largest: max(max({one}))" if deep else f"largest: max({one})"
        what = f"write a study with inputs made of them, such as `define: {{{use}}}`"
    if not named:
        named = ["its columns are empty or have one value only"]
    return ", ".join(named), what


def _select(target: FirstTarget) -> Iterator[str]:
    yield "# define:                # new columns, computed from expressions"
    yield "#   log_pt: log(pt)"
    if target.select:
        yield f"select: {as_json(target.select)}   # use only events that pass this condition"
    else:
        yield "# select: pt > 20        # use only events that pass this condition"
    yield ""


def _targets(roles: Roles, target: FirstTarget) -> Iterator[str]:
    yield f"# {target.note}"
    yield from listed("Columns whose values may be classes", roles.targets)
    yield from listed("Columns that may be predicted by a regression", roles.values[:5])
    yield "targets:"
    yield "  label:"
    yield f"    {'values' if target.is_regression else 'classes'}:"
    for name, text in target.content.items():
        yield f"      {as_json(name)}: {as_json(text)}"
    if target.signal:
        yield f"    signal: {as_json(target.signal)}  # all other classes are background"
    yield ""


def _evaluation(target: FirstTarget) -> Sequence[str]:
    if target.is_regression:
        return ["- name: regression"]
    efficiencies = "  efficiencies: [0.3, 0.5]   # signal efficiencies for the background rejection"
    return ["- name: classification", efficiencies]
