"""Deep ensemble: the same network from several initialisations, as a mixture (arXiv:1612.01474).

Member k is initialised as a separate training with the seed s + k would be, s being the study's.
All members use the same batches in the same order, that of s; each minimises its own loss, and each
keeps its own best epoch; dropout is drawn for each independently. Without dropout member k is, to
rounding, the network of a separate training with this initialisation and this order of batches.

The weights of all members are stacked, (member, ...), and one call evaluates them all where torch
can batch the model's operations; where it cannot, one member is evaluated after the other.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from bunchtrain.errors import StudyError
from bunchtrain.methods.protocols import HasPruner, HasWeightPenalty
from bunchtrain.parts.ranges import Draws
from bunchtrain.uncertainty.posterior import MakeModel, Posterior

#: Prefix of the stacked tensors in the network's state.
STACK = "stack"


class DeepEnsemble(Posterior):
    """Several networks trained together, an equal mixture (arXiv:1612.01474).

    size  count of members.
    """

    def __init__(self, make: MakeModel, seed: int, *, size: Draws = 10) -> None:
        if size < 2:
            raise StudyError(
                f"posterior 'deep_ensemble': option 'size' must be at least 2, got {size}"
            )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            super().__init__(make, seed)
            models = [self.model, *(_make_with_seed(make, seed + k) for k in range(1, size))]
        _check_member(models[0])
        parameters, buffers = stack_module_state(models)
        self.ensemble_size, self.batched = size, True
        self.stack = nn.ParameterDict({_flat(n): p for n, p in parameters.items()})
        for name, buffer in buffers.items():
            self.register_buffer(f"{STACK}_{_flat(name)}", buffer)
        self._names = list(parameters), list(buffers)
        del self.model
        # Not a submodule of nn.Module: its own weights are never used.
        self.__dict__["template"] = copy.deepcopy(models[0])

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        names, buffers = self._names
        parameters = {name: self.stack[_flat(name)] for name in names}
        return parameters, {n: self.get_buffer(f"{STACK}_{_flat(n)}") for n in buffers}

    def forward(self, **tensors: Tensor) -> Tensor:
        """Return (member, batch, outputs)."""
        self.__dict__["template"].train(self.training)
        if self.batched and not torch.compiler.is_exporting():
            try:
                output: Tensor = vmap(self._call, (0, 0, None), randomness="different")(
                    *self._state(), tensors
                )
            except RuntimeError:  # an operation without batching rule
                self.batched = False
            else:
                return output
        parameters, buffers = self._state()
        return torch.stack(
            [
                self._call(_item(parameters, k), _item(buffers, k), tensors)
                for k in range(self.ensemble_size)
            ]
        )

    def _call(
        self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], tensors: dict[str, Tensor]
    ) -> Tensor:
        template: nn.Module = self.__dict__["template"]
        output: Tensor = functional_call(template, (parameters, buffers), (), tensors)
        return output

    def draws(self, **tensors: Tensor) -> Tensor:
        """Return (member, batch, outputs)."""
        return self(**tensors)  # type: ignore[no-any-return]

    def weight_penalty(self, events: int) -> float:
        """Return 0: members have no penalty."""
        return 0.0

    def anneal(self, progress: float) -> None:
        """Do nothing: members have no schedule."""

    @property
    def is_comparable_across_epochs(self) -> bool:
        """True: members have no schedule."""
        return True


def copy_member(into: dict[str, Any], state: dict[str, Any], member: int) -> None:
    """Copy the tensors of one member from a network's state into another, in place."""
    for name, value in state.items():
        if name.startswith(f"model.{STACK}"):
            into[name][member] = value[member]


def _check_member(model: nn.Module) -> None:
    """Raise StudyError for a model with a schedule of its own."""
    if isinstance(model, HasWeightPenalty) or (isinstance(model, HasPruner) and model.pruner):
        raise StudyError(
            f"posterior 'deep_ensemble' cannot train several of {type(model).__name__} together, "
            "which changes while it trains; use 'seeds' for independent trainings instead"
        )


def _make_with_seed(make: MakeModel, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return make()


def _flat(name: str) -> str:
    return name.replace(".", "/")


def _item(tensors: dict[str, Tensor], index: int) -> dict[str, Tensor]:
    return {name: value[index] for name, value in tensors.items()}
