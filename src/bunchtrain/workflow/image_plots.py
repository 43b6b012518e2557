"""Mean images, their difference, and what each network on images learned (arXiv:1511.05190)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import awkward as ak
import yaml
from matplotlib.figure import Figure

from bunchtrain.plots import plot_images
from bunchtrain.report import Plot
from bunchtrain.statistics.images import mean_image, output_correlation
from bunchtrain.statistics.metrics import Floats
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.prediction_table import Predictions, signal_of

#: Events of the test set that are looked at.
SAMPLE = 10_000


def image_plots(
    outcome: Predictions,
    networks: Mapping[str, TrainedModel],
    cache: EventCache,
    target: str | None,
) -> Iterator[Plot]:
    """Yield, for each representation by images, their means and what its networks look at."""
    seeing = {name: n for name, n in networks.items() if hasattr(n.representation, "extent")}
    if target is None or not seeing:
        return
    events = next(cache.blocks("test", SAMPLE))
    for same in _by_representation(seeing):
        yield from _plots(outcome, same, events, target)


def _by_representation(networks: Mapping[str, TrainedModel]) -> list[dict[str, TrainedModel]]:
    groups: dict[str, dict[str, TrainedModel]] = {}
    for name, network in networks.items():
        groups.setdefault(yaml.safe_dump(network.task.representation), {})[name] = network
    return list(groups.values())


def _plots(
    outcome: Predictions, networks: dict[str, TrainedModel], events: ak.Array, target: str
) -> Iterator[Plot]:
    first = next(iter(networks.values()))
    batch, kept = first.represent(events)
    images, rows = batch.inputs["image"].numpy(), kept.numpy()
    weights = ak.to_numpy(events["event_weight"])[rows]
    truth = ak.to_numpy(events[f"target_{target}"])[rows]
    signal, names = signal_of(outcome, target)
    likes, others = names[signal], ", ".join(name for k, name in enumerate(names) if k != signal)
    of_signal, of_others = (
        mean_image(images[chosen], weights[chosen]) for chosen in (truth == signal, truth != signal)
    )
    means = {f"mean of {likes}": of_signal, f"mean of {others}": of_others}
    means[f"{likes} − {others}"] = of_signal - of_others
    caption = f"Mean images of both classes and their difference, {', '.join(networks)}."
    yield Plot(caption, _drawn(means, first), wide=True)
    found = {name: outcome.scores(name, target) for name in networks}
    learned = {
        name: output_correlation(images, scores[: len(events)][rows, signal], weights)
        for name, scores in found.items()
        if scores is not None
    }
    if learned:
        caption = (
            f"What the networks learned: correlation of each pixel with the score for {likes}."
        )
        yield Plot(caption, _drawn(learned, first, log=False), wide=True)


def _drawn(images: dict[str, Floats], network: TrainedModel, log: bool = True) -> Figure:
    """Return the panels of images (channel, row, column): a row a channel, if there are several."""
    representation: Any = network.representation
    channels = representation.names["image"]
    several = len(channels) > 1
    panels = {
        (f"{channel}: {title}" if several else title): image[k]
        for k, channel in enumerate(channels)
        for title, image in images.items()
    }
    columns = len(images) if several else 3
    where = representation.extent, representation.axes
    return plot_images(panels, *where, columns=columns, log=log)
