"""Values of quantised models outside the range of their fixed-point format."""

from __future__ import annotations

from bunchtrain.errors import StudyError
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation, any_model_implements
from bunchtrain.methods.protocols import CountsOverflows
from bunchtrain.report.content import Table
from bunchtrain.report.results import Results
from bunchtrain.study import Study, model_configs


class FixedPointRange(Evaluation):
    """Number of values out of range in the predictions of the test set, for each quantiser."""

    def check(self, study: Study) -> None:
        """Raise StudyError if no model is quantised."""
        if not any_model_implements(study, CountsOverflows):
            raise StudyError(
                f"evaluation '{self.name}' needs a quantised model, e.g. 'quantised_dense_network'"
            )

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return the table of the quantised models, by their first trainings."""
        rows = []
        for name in model_configs(run.study):
            counts = run.json(f"models/{name}/prediction.json").get("out_of_range")
            if counts is not None:
                where = [f"{place} {count:,}" for place, count in counts.items() if count]
                rows.append([name, f"{sum(counts.values()):,}", ", ".join(where)])
        caption = (
            "Values of the test set beyond the range of their fixed-point format, which is set by "
            "the training set. Inputs are clipped; others wrap around or saturate, by the option "
            "'overflow' of the model."
        )
        tables = [Table(caption, ["Model", "Out of range", "Quantisers"], rows)] if rows else []
        return Results(tables=tables)
