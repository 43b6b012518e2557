"""Every network at a small size, and synthetic events for it."""

import torch
from lorentz import momenta

from bunchtrain import parts
from bunchtrain.methods.supervised import input_names

PER_POINT = {"features", "coordinates", "momenta", "children", "levels"}
SIZES = {"table": 4, "image": (1, 32, 32), "features": 4, "coordinates": 2, "momenta": 4}
SIZES |= {"edge_features": 3, "volume": (1, 3, 6, 4), "window": (2, 9)}
FEW = {"bits": 5, "input_bits": 6}
SHORT = {"particles": 6, "widths": (5,)}

#: Name → options of a small network; a name may have a suffix after a blank.
OPTIONS = {
    "dense_network": {"widths": (8,)},
    "image_cnn": {"filters": ((3,),), "widths": (4,)},
    "volume_cnn": {"filters": ((3,), (4,)), "widths": (4,)},
    "sparse_cnn": {"filters": ((3,), (4,)), "points": 8, "widths": (5,)},
    "sparse_cnn with strides": {
        **{"filters": ((3,), (4,)), "points": 8, "widths": (5,)},
        **{"pooling": "convolution"},
    },
    "window_cnn": {"filters": ((3,), (4, 4)), "widths": (4,)},
    "window_cnn without blocks": {"filters": (), "widths": (4,)},
    "window_cnn with a linear function": {"filters": (), "widths": (4,), "linear": True},
    "resnext": {"units": (1, 1), "groups": 4, "shrink": 16},
    "capsule_network": {"filters": 4, "kernel": 5, "kinds": 2, "primary": 3, "dimension": 4},
    "energy_flow_network": {"phi": (8,), "f": (8,)},
    "particle_flow_network": {"phi": (8,), "f": (8,)},
    "particle_net": {"k": 3, "channels": ((5, 5), (6,)), "dense": 4},
    "particle_net_light": {"k": 3, "channels": ((5, 5), (6,)), "dense": 4},
    "particle_transformer": {
        **{"embed": (8, 8), "pair_embed": (6,), "heads": 2},
        **{"blocks": 1, "class_blocks": 1},
    },
    "interaction_network": {},
    "graph_network": {"width": 8, "rounds": 2, "classifier": (6,)},
    "grav_net": {
        **{"blocks": 2, "dense": (6,), "k": 3, "dimensions": 2, "propagate": 4},
        **{"filters": 5, "widths": (6,)},
    },
    "grid_cnn": {
        **{"cells": (9, 8), "ranges": ((-2.0, 2.0), (-2.0, 2.0)), "filters": (4, 3)},
        **{"dense": (5,), "widths": (6,)},
    },
    "denoising_autoencoder": {"length": 7, "channels": (3, 4), "latent": 3, "widths": (4,)},
    "u_net_1d": {"length": 7, "channels": (3, 4, 5), "kernel": 3, "widths": (4,)},
    "gar_net": {"points": 8, "aggregators": (2, 3), "propagate": (4, 2), "filters": (3, 5)},
    "gar_net that keeps features": {
        **{"points": 8, "aggregators": (2,), "propagate": (4,), "filters": (3,), "keep": True},
    },
    "lorentz_net": {"width": 8, "blocks": 2},
    "lorentz_net with beams": {"width": 8, "blocks": 2, "beams": True},
    "pelican": {"width": 6, "messages": 5, "blocks": 1},
    "l_gatr": {"multivectors": 4, "scalars": 4, "blocks": 1, "heads": 2},
    "p_cnn": {"first": 4, "stages": ((6,), (6,), (8,)), "dense": 5},
    "lola": {"combinations": 3, **SHORT},
    "lbn": {"combinations": 3, **SHORT},
    "recurrent_network": {"hidden": 6, "widths": (5,)},
    "recurrent_network of GRUs both ways": {
        **{"cell": "gru", "layers": 2, "bidirectional": True},
        **{"hidden": 6, "widths": (5,)},
    },
    "recurrent_network with a linear function": {"hidden": 6, "widths": (5,), "linear": 4},
    "boost_lstm": {"frames": 2, "hidden": 6, **SHORT},
    "quantised_dense_network": {"widths": (4,), **FEW},
    "quantised_image_cnn": {"filters": ((2,),), "widths": (4,), **FEW},
    "quantised_particle_flow_network": {"particles": 6, "phi": (4,), "f": (4,), **FEW},
    "quantised_interaction_network": {
        **{"particles": 6, "relation": (4,), "objects": (4,), "classifier": (4,)},
        **FEW,
    },
    "quantised_gar_net": {
        **{"particles": 6, "aggregators": 2, "propagate": 2, "filters": 2, "widths": (4,)},
        **FEW,
    },
}


def small(name):
    """Return the network `name` in evaluation, with seeded weights."""
    torch.manual_seed(1)
    part = name.split()[0]
    names = parts.positional(parts.find("model", part))
    sizes = [SIZES[size] for size in names if size in SIZES]
    model = parts.build("model", part, OPTIONS[name], *sizes, 2)
    if hasattr(model, "calibrate_ranges"):
        model.calibrate_ranges([inputs(model, [4, 6, 3])])
    return model.eval()


def inputs(model, lengths):
    """Return the tensors that a model needs, of events of so many points."""
    points = momenta(lengths, seed=len(lengths)).float()
    random = torch.Generator().manual_seed(len(lengths))
    given = {
        "momenta": points,
        "features": points / 40,
        "coordinates": points[:, 1:3] / points[:, :1],
        "lengths": torch.tensor(lengths),
        "table": torch.randn(len(lengths), 4, generator=random),
        "image": torch.rand(len(lengths), 1, 32, 32, generator=random),
        "volume": torch.rand(len(lengths), 1, 3, 6, 4, generator=random),
        "window": torch.randn(len(lengths), 2, 9, generator=random),
    }
    edges = [torch.combinations(torch.arange(n)).T for n in lengths]
    first = torch.tensor([0, *lengths[:-1]]).cumsum(0)
    given["edges"] = torch.cat([one + start for one, start in zip(edges, first, strict=True)], 1)
    given["edge_features"] = torch.randn(given["edges"].shape[1], 3, generator=random)
    return {name: given[name] for name in input_names(model)}


def single(given, lengths):
    """Return the tensors of each event by itself."""
    pairs, first = [n * (n - 1) // 2 for n in lengths], [0, *lengths[:-1]]
    split = {
        name: tensor.split(lengths) if name in PER_POINT else tensor.split(1)
        for name, tensor in given.items()
    }
    if "edges" in given:
        starts = torch.tensor(first).cumsum(0)
        every = given["edges"].split(pairs, 1)
        split["edges"] = [one - start for one, start in zip(every, starts, strict=True)]
        split["edge_features"] = given["edge_features"].split(pairs)
    return [
        {name: tensors[event] for name, tensors in split.items()} for event in range(len(lengths))
    ]
