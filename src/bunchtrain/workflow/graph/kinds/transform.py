"""Stages of kind `transform`: a table made of tables, without fitted parameters."""

from __future__ import annotations

from pathlib import Path

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.tables.metadata import TableMetadata
from bunchtrain.tables.predictions import ROWS
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms._transform import Transform
from bunchtrain.tables.transforms.conditions import Condition, write_conditions
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
    files = (f"stages/{name}/{TABLE}", f"stages/{name}/table.*.parquet")
    return Stage(name, "transform", run, inputs.names(name), options, files)


def _write(path: Path, table: Table) -> None:
    """Write all columns of a table in blocks, with their units, and its conditions beside it."""
    beside = table.conditions
    path.parent.mkdir(parents=True, exist_ok=True)
    made = [Condition(name, one, one.key_columns) for name, one in beside.items()]
    columns = [name for name in table.fields() if name.partition(".")[0] not in beside]
    units = {name: unit for name, unit in table.units().items() if name in columns}
    about = TableMetadata(units=units, conditions=write_conditions(path, made))
    write_parquet(path, table.blocks(columns, ROWS), about.as_mapping())
