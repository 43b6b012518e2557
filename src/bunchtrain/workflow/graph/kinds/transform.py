"""Stages of kind `transform`: a table made of tables, without fitted parameters."""

from __future__ import annotations

from pathlib import Path

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.tables.metadata import TableMetadata
from bunchtrain.tables.predictions import ROWS
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms._transform import Transform
from bunchtrain.tables.writing import write_parquet
from bunchtrain.workflow.graph.stage import Stage, StageContext
from bunchtrain.workflow.graph.stage_inputs import TABLE, StageInputs


def make_stage(inputs: StageInputs, name: str) -> Stage:
    """Return the stage that writes the transformed table.

    Raises StudyError if the transform reads another number of tables, or predictions.
    """
    given = inputs.study.stages[name].options
    part = parts.find("transform", given.name)
    where = f"stages.{name}.transform"
    if not issubclass(part, Transform):
        raise StudyError(
            f"{where}: '{given.name}' is of the predictions of points, not of a table; use it in "
            "the study's 'transforms'"
        )
    wanted = len(parts.positional(part))
    if len(given.of) != wanted:
        names = ", ".join(parts.positional(part))
        raise StudyError(f"{where}.of: '{given.name}' reads {wanted} tables: {names}")

    def run(context: StageContext) -> None:
        tables = [inputs.table(one) for one in given.of]
        made = parts.build("transform", given.name, given.options, *tables, where=where)
        _write(context.place / TABLE, made)

    options = {"name": given.name, "options": given.options}
    return Stage(name, "transform", run, inputs.names(name), options, (f"stages/{name}/{TABLE}",))


def _write(path: Path, table: Table) -> None:
    """Write all columns of a table in blocks, with their units."""
    about = TableMetadata(units=table.units()).as_mapping()
    write_parquet(path, table.blocks(list(table.fields()), ROWS), about)
