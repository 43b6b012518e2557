"""Trained models with random weights or small trees, and events for them."""

from dataclasses import replace

import awkward as ak
import numpy as np
import torch
from onnx_tables import keep_onnx_tables

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.methods.build import build_network
from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.methods.normalisation_layer import NormalisationLayer
from bunchtrain.methods.task import Task
from bunchtrain.representations.preprocessing.normalisation import Normalisation
from bunchtrain.targets import Target
from bunchtrain.trained_files import trained_model as make_trained_model

keep_onnx_tables()

TABLE = ("table", {"features": ["mass", "width", "count"]})
CLOUD = ("point_cloud", {"group": "part", "max_points": 9})
IMAGE = ("image", {"group": "part", "pixels": 8})
CLASSES = {"jet": Target("jet", ("qcd", "top"))}
FIT = [("cross_entropy", {}, "jet", 1.0)]


def events(number=60, seed=1):
    random = np.random.default_rng(seed)
    lengths = random.integers(0, 9, number)
    lengths[0], lengths[1] = 0, 8
    momenta = random.normal(0, 5, (3, lengths.sum())) + np.array([[60], [10], [20]])
    energy = np.sqrt((momenta**2).sum(0) + 0.02)
    columns = {}
    for name, values in zip(("px", "py", "pz", "energy"), (*momenta, energy), strict=True):
        columns[f"part_{name}"] = ak.unflatten(values, lengths)
    columns |= {
        "mass": random.normal(90, 20, number),
        "width": random.normal(0.1, 0.02, number),
        "count": random.integers(1, 60, number).astype(float),
        "entry": np.arange(number),
    }
    return ak.Array(columns)


def trained_model(
    model, options=None, represent=TABLE, terms=FIT, targets=CLASSES, invalid="raise"
):
    """A trained model with a fitted normalisation and scaled outputs."""
    settings = {"batch_size": 16, "engine": {"name": "local"}}
    torch.manual_seed(1)
    task = Task(
        "", "", represent, (model, options or {}), terms, targets, settings, invalid=invalid
    )
    made = parts.build("representation", *represent)
    given = events()
    task = replace(task, columns=made.columns(given.fields))
    network = build_network(task, made)
    found = make_trained_model(task, made, network)
    if isinstance(network, torch.nn.Module):
        network.eval()
    batch = Batch(made(given[task.columns]))
    fitted = Normalisation.fit([batch.inputs], made, invalid)
    if isinstance(network, FittedNetwork):
        network.normalisation = fitted
    else:
        network.normalisation.load_state_dict(NormalisationLayer(fitted).state_dict())
    if not network.trains_by_gradient:
        grow(found, batch, terms, targets)
    else:
        network.shift += 0.1
        network.scale *= 1.5
    return found


def grow(found, batch, terms, targets):
    inputs = found.network.normalise(batch.inputs)
    classes, random = targets["jet"].classes, np.random.default_rng(1)
    truth = np.arange(len(batch)) % len(classes) if classes else random.normal(size=(len(batch), 1))
    loss = found.task.losses()[0][0]
    labelled = Batch(inputs, {"jet": truth})
    found.network.model.fit([labelled], [labelled], loss, seed=1, threads=1)


def trained_method(name, options=None, represent=TABLE, number=300):
    """A method with random weights, or fit to events, and its normalisation."""
    settings = {"batch_size": 64, "engine": {"name": "local"}}
    torch.manual_seed(1)
    task = Task("", "", represent, (name, options or {}), [], {}, settings, owns_loss=True)
    made, given = parts.build("representation", *represent), events(number)
    task = replace(task, columns=made.columns(given.fields))
    batch = Batch(made(given[task.columns]))
    fitted = Normalisation.fit([batch.inputs], made, "raise")
    network = build_network(task, made, fitted)
    if not network.trains_by_gradient:
        normalised = Batch(network.normalise(batch.tensors().inputs))
        network.method.fit([normalised], [normalised], seed=1, threads=1)
    return make_trained_model(task, made, network.eval())
