"""Results of an evaluation: metrics with uncertainties, plots and tables, and their files."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from rich.console import Console, ConsoleOptions, RenderResult

from bunchtrain.files import as_json, atomic_path, damaged, read_json, write_json, write_text
from bunchtrain.plots import png, small_svg
from bunchtrain.report.console import SplitTable
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.labels import is_number, label
from bunchtrain.statistics.metrics import Measurement, Metrics

#: Name of the file in the folder of an evaluation.
FILE = "results.json"
#: Start of a plot that is an image of pixels.
PNG = "data:image/png;base64,"


class _MetricFile(BaseModel):
    """A metric in JSON, perhaps with more keys."""

    model_config = ConfigDict(extra="allow")
    value: int | float | None
    error: int | float | None = None


#: Type of `metrics.json`: model or ensemble → metric → value and error.
MetricsFile: TypeAlias = dict[str, dict[str, _MetricFile]]


class _PlotFile(BaseModel):
    """A plot in `results.json`."""

    file: str
    caption: str
    wide: bool = False
    model: str = ""
    section: str = "results"


class _TableFile(BaseModel):
    """A table in `results.json`."""

    caption: str
    columns: list[str]
    rows: list[list[Any]]


class ResultsFile(BaseModel):
    """Content of `results.json`."""

    title: str
    metrics: MetricsFile
    plots: list[_PlotFile]
    tables: list[_TableFile]
    details: dict[str, Any]


@dataclass
class Results:
    """What an evaluation returns.

    metrics  model or ensemble → metric → {value, error}.
    plots    in the order of the report.
    tables   of text and numbers, shown in the terminal and in the report.
    details  anything else worth keeping, for JSON.
    title    heading of its part of the report; '' for plots and tables among the common ones.
    """

    metrics: dict[str, Metrics] = field(default_factory=dict)
    plots: list[Plot] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    title: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the tables, or the metrics if there are none."""
        tables = self.tables or [Table("", ["Model", "Metric", "Value"], list(self._metric_rows()))]
        for table in tables:
            rows = [[str(cell) for cell in row] for row in table.rows]
            yield SplitTable(table.columns, rows, _count_keys(rows), self.title, table.caption)

    def _metric_rows(self) -> Iterator[Sequence[str]]:
        for model, metrics in self.metrics.items():
            for name, entry in metrics.items():
                yield model, label(name), str(Measurement.from_dict(entry))

    def check(self) -> None:
        """Raise ValueError for content of a wrong type, e.g. from an evaluation of a user."""
        for name, kind in (("plots", Plot), ("tables", Table)):
            for one in getattr(self, name):
                if not isinstance(one, kind):
                    raise ValueError(f"'{name}' contains {type(one).__name__}, not {kind.__name__}")
        content = {**vars(self), "plots": [], "tables": [asdict(table) for table in self.tables]}
        try:
            TypeAdapter(ResultsFile).validate_json(as_json(content), strict=True)
        except ValidationError as problem:
            first = problem.errors(include_url=False, include_input=False)[0]
            raise ValueError(f"'{'.'.join(map(str, first['loc']))}': {first['msg']}") from None
        for plot in self.plots:
            if not isinstance(plot.figure, Figure | str):
                raise ValueError(f"a plot has a {type(plot.figure).__name__}, not a Figure")

    def save(self, folder: Path, write: Callable[[Path, object], None] = write_json) -> None:
        """Write `results.json` by `write`, and each plot as SVG, or as PNG if that is smaller."""
        for old in folder.glob("plot_*"):
            old.unlink()
        entries = []
        for index, plot in enumerate(self.plots):
            text = plot.figure if isinstance(plot.figure, str) else small_svg(plot.figure)
            file = f"plot_{index}.{'png' if text is None else 'svg'}"
            if text is not None:
                write_text(folder / file, text)
            elif isinstance(plot.figure, Figure):
                with atomic_path(folder / file) as part:
                    part.write_bytes(png(plot.figure))
            entries.append({k: v for k, v in vars(plot).items() if k != "figure"} | {"file": file})
        content = {
            "title": self.title,
            "metrics": self.metrics,
            "plots": entries,
            "tables": [asdict(table) for table in self.tables],
            "details": self.details,
        }
        write(folder / FILE, content)

    @classmethod
    def load(cls, folder: Path) -> Results:
        """Return the results in a folder, their plots as the text of SVG or as PNG in base64.

        Raises RunError, naming the file, if one is damaged or missing.
        """
        content = read_json(folder / FILE, ResultsFile)
        plots = []
        for entry in content["plots"]:
            known = {key: entry[key] for key in _PlotFile.model_fields if key in entry}
            plots.append(Plot(figure=_read_plot(folder, known.pop("file")), **known))
        tables = [Table(**entry) for entry in content["tables"]]
        return cls(content["metrics"], plots, tables, content["details"], content["title"])


def _count_keys(rows: Sequence[Sequence[str]]) -> int:
    """Return the number of columns on the left that name a row: 2 if the second has no numbers."""
    second = [row[1] for row in rows if len(row) > 2]
    return 2 if second and not any(is_number(cell) for cell in second if cell) else 1


def _read_plot(folder: Path, name: str) -> str:
    path = folder / name
    if path.name != name:
        raise damaged(folder / FILE, f"the plot '{name}' is in another folder")
    try:
        if path.suffix == ".png":
            return PNG + base64.b64encode(path.read_bytes()).decode()
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise damaged(path, getattr(problem, "strerror", None) or problem) from None
