"""Object condensation: points are drawn to one point of their object, in a learned space.

Each point i has β_i in (0, 1) and coordinates x_i, and a charge q_i = arctanh²(β_i) + q_min. Of an
object k the point α of largest charge attracts its points and repels all others of the event: with
M_ik = 1 for the points of the object, d_ik = |x_i − x_α|, K objects and N points, N_B of them
of none (arXiv:2002.03605),

    L_V = Σ_i q_i Σ_k q_α (M_ik d_ik² + (1 − M_ik) max(0, 1 − d_ik)) / N,
    L_β = Σ_k (1 − β_α) / K + s_B Σ_none β_i / N_B,
    L_p = Σ_i ξ_i ℓ_i / Σ_i ξ_i,   ξ_i = arctanh²(β_i) for the points of objects, else 0,
    L = L_V + s_C (L_β + L_p),

where ℓ_i is the mean square of the differences between predicted and true properties.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from bunchtrain.batch import Array, Batch
from bunchtrain.heads._head import Head
from bunchtrain.parts.ranges import NUMBER, NonNegative
from bunchtrain.targets import Quantity, Target
from bunchtrain.targets.quantity import BETA, COORDINATE

if TYPE_CHECKING:
    from torch import Tensor

#: Largest β in the charge, which is infinite at 1.
LARGEST = 1 - 1e-4
Dimensions = Annotated[int, Field(ge=1, le=64), NUMBER]
Charge = Annotated[float, Field(gt=0, le=100), NUMBER]


class ObjectCondensation(Head):
    """Object condensation of an unknown number of objects (arXiv:2002.03605).

    The first value of the target is the number of the object of each point, a whole number,
    negative for none; the others are properties of the object, of order 1, such as log(energy), or
    1 and 0 for two classes. Predictions of a point: `beta`, its coordinates `x0`, `x1`, …, and the
    properties.

    dimensions  Coordinates of the learned space.
    charge      q_min, smallest charge of a point.
    noise       s_B, factor on the β of points of no object.
    others      s_C, factor on the terms other than the potential.
    """

    standardises: ClassVar[bool] = False

    def __init__(
        self,
        target: Target,
        *,
        dimensions: Dimensions = 2,
        charge: Charge = 0.1,
        noise: NonNegative = 1.0,
        others: NonNegative = 1.0,
    ) -> None:
        super().__init__(target)
        self.require_values()
        self.dimensions, self.charge, self.noise, self.others = dimensions, charge, noise, others

    @property
    def outputs(self) -> int:
        """The logit of β, the coordinates and the properties."""
        return self.dimensions + len(self.target.values)

    @property
    def predicted_labels(self) -> tuple[str, ...]:
        """The properties; the number of an object has no prediction."""
        return self.target.values[1:]

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (points,), whose mean over the points of an event is L."""
        output, truth = outputs[self.target.name].float(), self.true_values(batch)
        event = batch.event_index(self.target.axis)
        beta = output[:, 0].sigmoid()
        strength = beta.clamp(max=LARGEST).atanh().square()
        charge, number = strength + self.charge, truth[:, 0].round().long()
        of, centre = _objects(event, number, charge)
        place = output[:, 1 : 1 + self.dimensions]
        potential = _potential(place, charge, event, of, centre)
        is_noise = of < 0
        of_events = _mean(1 - beta[centre], event[centre], len(batch))
        of_events = of_events + self.noise * _mean(beta[is_noise], event[is_noise], len(batch))
        if self.outputs > 1 + self.dimensions:
            squares = (output[:, 1 + self.dimensions :] - truth[:, 1:]).square().mean(1)
            own, weight = event[~is_noise], strength[~is_noise]
            sums = _mean(weight * squares[~is_noise], own, len(batch))
            weights = _mean(weight, own, len(batch))
            of_events = of_events + sums / weights.clamp(min=1e-12)
        return charge * potential + self.others * of_events[event]

    def predictions(self, output: Any) -> dict[Quantity, Any]:
        """Return β, the coordinates and the properties, (points,) each."""
        columns = output.float().unbind(1)
        found = {Quantity(BETA): columns[0].sigmoid()}
        places = columns[1 : 1 + self.dimensions]
        found |= {Quantity(f"{COORDINATE}{k}"): one for k, one in enumerate(places)}
        names = map(Quantity, self.target.values[1:])
        return found | dict(zip(names, columns[1 + self.dimensions :], strict=True))

    def output_scaling(self, mean: Array, std: Array) -> tuple[Array, Array]:
        """Return shift 0 and scale 1: the learned space has no unit."""
        return np.zeros(self.outputs), np.ones(self.outputs)


def _objects(event: Tensor, number: Tensor, charge: Tensor) -> tuple[Tensor, Tensor]:
    """Return the object of each point, −1 for none, and the point of largest charge of each object.

    Objects are in the order of their events.
    """
    import torch

    of = torch.full_like(event, -1)
    has_one = (number >= 0).nonzero()[:, 0]
    pairs = torch.stack([event[has_one], number[has_one]], 1)
    found, of[has_one] = torch.unique(pairs, dim=0, return_inverse=True)
    order = charge.detach()[has_one].argsort(descending=True, stable=True)
    ranked = has_one[order]
    first = torch.full((len(found),), len(event), device=event.device)
    rank = torch.arange(len(ranked), device=event.device)
    first = first.scatter_reduce(0, of[ranked], rank, "amin")
    return of, ranked[first]


def _potential(place: Tensor, charge: Tensor, event: Tensor, of: Tensor, centre: Tensor) -> Tensor:
    """Return Σ_k q_α (M d² + (1 − M) max(0, 1 − d)) of each point, (points,)."""
    import torch

    events = int(event.max()) + 1 if len(event) else 0
    objects = torch.bincount(event[centre], minlength=events)
    number = objects[event]  # of objects that act on each point
    point = torch.arange(len(event), device=event.device).repeat_interleave(number)
    within = torch.arange(len(point), device=event.device) - (number.cumsum(0) - number)[point]
    acting = (objects.cumsum(0) - objects)[event[point]] + within
    square = (place[point] - place[centre[acting]]).square().sum(1)
    # The derivative of √ at 0, of a centre and itself, is infinite.
    distance = (square + 1e-12).sqrt()
    is_own = of[point] == acting
    acts = torch.where(is_own, square, (1 - distance).clamp(min=0)) * charge[centre[acting]]
    return acts.new_zeros(len(event)).index_add(0, point, acts)


def _mean(values: Tensor, event: Tensor, events: int) -> Tensor:
    """Return the mean of the values (rows,) of each event, (events,), 0 where there are none."""
    import torch

    sums = values.new_zeros(events).index_add(0, event, values)
    return sums / torch.bincount(event, minlength=events).clamp(min=1)
