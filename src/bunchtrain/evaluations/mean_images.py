"""Mean images of the classes, and the correlation of pixels with scores (arXiv:1511.05190)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import awkward as ak
from matplotlib.figure import Figure

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.evaluations._class_evaluation import ClassPredictions, FirstTargetEvaluation
from bunchtrain.evaluations._evaluation import events_with_predictions, models_by_representation
from bunchtrain.plots import plot_images
from bunchtrain.report.content import Plot
from bunchtrain.representations._representation import ImageRepresentation
from bunchtrain.statistics.correlation import mean_image, output_correlation
from bunchtrain.statistics.metrics import Floats
from bunchtrain.study import Study, model_configs
from bunchtrain.trained_model import TrainedModel

#: Number of events of the test set that are averaged.
SAMPLE = 10_000


class MeanImages(FirstTargetEvaluation):
    """Mean images of both classes, their difference, and correlation of each pixel with scores."""

    of_events = True

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target, or if no representation is an image."""
        super().check(study)
        names = {one.representation.name for one in model_configs(study).values()}
        if not any(issubclass(parts.find("representation", n), ImageRepresentation) for n in names):
            raise StudyError(f"evaluation '{self.name}' needs a representation such as 'image'")

    def plots(self, events: ClassPredictions) -> Iterator[Plot]:
        """Yield the plots of each representation that is an image, of the first events."""
        sample, predictions = next(events_with_predictions(events.run, SAMPLE))
        first = ClassPredictions(events.run, events.target, predictions)
        for models in models_by_representation(events.run):
            representation = next(iter(models.values())).representation
            if isinstance(representation, ImageRepresentation):
                yield from _plots(first, sample, models, representation)


def _plots(
    events: ClassPredictions,
    sample: ak.Array,
    models: Mapping[str, TrainedModel],
    representation: ImageRepresentation,
) -> Iterator[Plot]:
    batch, kept = next(iter(models.values())).represent(sample)
    images, rows = batch.inputs["image"], kept
    weights, is_signal = events.weights[rows], events.is_signal[rows]
    signal, others = events.signal, ", ".join(events.backgrounds)
    of_signal, of_others = (
        mean_image(images[chosen], weights[chosen]) for chosen in (is_signal, ~is_signal)
    )
    means = {f"mean of {signal}": of_signal, f"mean of {others}": of_others}
    means[f"{signal} − {others}"] = of_signal - of_others
    caption = f"Mean images of both classes and their difference, {', '.join(models)}."
    drawn = _draw(means, representation)
    yield Plot(caption, drawn, wide=True, section="inputs")
    probabilities = {name: events.probabilities(name) for name in models}
    correlations = {
        name: output_correlation(images, p[rows, events.target.signal_index], weights)
        for name, p in probabilities.items()
        if p is not None
    }
    if correlations:
        caption = f"Correlation of each pixel with the probability of {signal}."
        drawn = _draw(correlations, representation, log=False)
        yield Plot(caption, drawn, wide=True, section="inputs")


def _draw(
    images: Mapping[str, Floats], representation: ImageRepresentation, log: bool = True
) -> Figure:
    """Return the panels of images (channel, row, column): a row per channel of several."""
    channels = representation.names["image"]
    several = len(channels) > 1
    panels = {
        (f"{channel}: {title}" if several else title): image[k]
        for k, channel in enumerate(channels)
        for title, image in images.items()
    }
    columns = len(images) if several else 3
    return plot_images(panels, representation.extent, representation.axes, columns, log)
