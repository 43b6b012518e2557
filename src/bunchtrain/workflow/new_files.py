"""Sources of files to which a trained model is applied: many files, without labels or header."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from bunchtrain import parts
from bunchtrain.errors import DataError, one_of
from bunchtrain.study import Study
from bunchtrain.tables.expressions.expression import required_columns
from bunchtrain.tables.reading import find_format, open_table
from bunchtrain.tables.table import Table
from bunchtrain.tables.units import present_units


def source_for_file(
    study: Study, file: str | Sequence[str], changes: Mapping[str, object] | None = None
) -> Table:
    """Return a source of other files with the options of the study's source.

    Simulated events are read from a file with the columns of the simulation.

    Args:
        study: of the trained models.
        file: path, or paths, with globs.
        changes: options that differ from those of the study's source.
    """
    options = parts.options(parts.find("source", study.source.name))
    reads_files = "files" in options
    name = study.source.name if reads_files else "files"
    kept = dict(study.source.options) if reads_files else {}
    if name == "files":
        kept.pop("format", None)  # of the training files; the new ones may have another
    units = kept.pop("units", None)
    given = {**kept, **(changes or {}), "files": file}
    made: Table = parts.build("source", name, given)
    if units:
        given["units"] = present_units(units, made.fields())
        made = parts.build("source", name, given)
    return made


def file_sources(
    study: Study,
    files: Sequence[tuple[str, str | None]],
    needed: Collection[str],
    columns: int | None,
) -> Iterator[Table]:
    """Yield the source of each file, in order.

    A CSV file without header may lack the columns that only targets, weights, split and spectators
    read: the others then have the names that they had in the training.

    Args:
        study: of the trained models.
        files: path and tree of each.
        needed: columns that the models and the selection read.
        columns: number of columns of the training files, None if unknown.

    Raises DataError for a missing file, or for another number of unnamed columns.
    """
    for path, tree in files:
        one = f"{path}:{tree}" if tree else path
        yield source_for_file(study, one, _names(study, path, needed, columns))


def _names(
    study: Study, path: str, needed: Collection[str], columns: int | None
) -> dict[str, object]:
    """Return the options `names` and `header` of a CSV file that lacks labels or has a header."""
    options = study.source.options
    if study.source.name != "files" or find_format(path) != "csv":
        return {}
    own = list(open_table(path, header=options.get("header"), sampled=True).fields())
    known = options.get("names") or [f"column_{i}" for i in range(columns or 0)]
    if any(name != f"column_{i}" for i, name in enumerate(own)):
        return {"names": None, "header": True} if set(needed) <= set(own) else {}
    if not known or len(own) == len(known):
        return {}
    absent: set[str] = set()
    for absent in _label_columns(study, needed):
        if len(own) + len(absent) == len(known):
            return {"names": [one for one in known if one not in absent], "header": False}
    without = f", or {len(known) - len(absent)} without {one_of(absent)}" if absent else ""
    raise DataError(
        f"{path} has {len(own)} columns and no header; the training files have {len(known)} "
        f"columns{without}"
    )


def _label_columns(study: Study, needed: Collection[str]) -> Iterator[set[str]]:
    """Yield the columns of the targets that no model reads, then with weights, then with others."""
    every = [(*one.expressions, one.identifier or "") for one in study.all_targets()]
    texts = [text for texts in every for text in texts if text]
    targets = required_columns(study.define, texts) - set(needed)
    weights = required_columns(study.define, filter(None, [study.weights.event])) - set(needed)
    split = parts.build("split", study.split.name, study.split.options, where="split").columns()
    named = (f"column({name!r})" for name in (*study.spectators, *split))
    others = required_columns(study.define, named) - set(needed)
    yield targets
    yield targets | weights
    yield targets | weights | others
