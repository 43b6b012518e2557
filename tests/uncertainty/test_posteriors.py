"""Posteriors by value: divergences, moments of the draws, the exact linear case."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import RunError, StudyError
from bunchtrain.networks.dense_network import DenseNetwork
from bunchtrain.networks.energy_flow_network import EnergyFlowNetwork
from bunchtrain.networks.particle_flow_network import ParticleFlowNetwork
from bunchtrain.networks.particle_net import ParticleNet
from bunchtrain.uncertainty.posteriors._random_layers import (
    INITIAL_LOG_VARIANCE,
    PARAMETER_SCALE,
    BayesianLinear,
)
from bunchtrain.uncertainty.posteriors.bayes_by_backprop import BayesByBackprop
from bunchtrain.uncertainty.posteriors.deep_ensemble import DeepEnsemble
from bunchtrain.uncertainty.posteriors.last_layer_laplace import (
    LastLayerLaplace,
    curvatures,
    evidence_precision,
)
from bunchtrain.uncertainty.posteriors.mc_dropout import McDropout

DENSE = partial(DenseNetwork, 3, 2, widths=(8, 8), dropout=0.2)
CLOUD = partial(ParticleFlowNetwork, 4, 2, phi=(8, 8), f=(8,), dropout=0.2)
POSTERIORS = {
    "bayes_by_backprop": partial(BayesByBackprop, draws=5),
    "mc_dropout": partial(McDropout, draws=5),
    "deep_ensemble": partial(DeepEnsemble, size=3),
    "last_layer_laplace": partial(LastLayerLaplace, draws=5),
}


def fitted(kind, make):
    posterior = POSTERIORS[kind](make, 1)
    if kind == "last_layer_laplace":
        posterior.root.copy_(torch.randn_like(posterior.root) * 0.1)
    if kind == "bayes_by_backprop":
        for layer in posterior.layers:
            widen(layer, -2)
    return posterior.eval()


def widen(layer, log_variance):
    layer.widening.data[:] = (log_variance - INITIAL_LOG_VARIANCE) / PARAMETER_SCALE


def cloud(events=6):
    lengths = torch.arange(events) % 4
    return torch.randn(int(lengths.sum()), 4), lengths


def bayesian(prior=0.7):
    layer = BayesianLinear(nn.Linear(4, 3), prior)
    widen(layer, torch.rand(3, 4) * 4 - 4)
    return layer


def test_every_posterior_is_tested_here():
    assert set(POSTERIORS) == set(parts.locate("posterior"))


def test_divergence_is_that_of_gaussians():
    layer = bayesian()
    posterior = Normal(layer.mean, (layer.log_variance / 2).exp())
    expected = kl_divergence(posterior, Normal(torch.zeros(3, 4), 0.7 / math.sqrt(4))).sum()
    torch.testing.assert_close(layer.divergence(), expected)


def test_penalty_is_the_divergence_per_event():
    posterior = BayesByBackprop(DENSE, 1, temperature=0.2)
    total = sum(layer.divergence() for layer in posterior.layers)
    torch.testing.assert_close(posterior.weight_penalty(500), 0.2 * total / 500)


def test_gaussians_of_fewer_events_are_wider():
    """y = x·w with one event's worth of noise: σ² = 1/(N + n) for n inputs of unit size."""
    found = {}
    for events in (20, 500):
        torch.manual_seed(1)
        layer = BayesianLinear(nn.Linear(4, 1), 1.0).train()
        steps = torch.optim.Adam(layer.parameters(), 0.01)
        for _ in range(400):
            x = torch.randn(256, 4)
            layer.events = len(x)
            steps.zero_grad()
            loss = 0.5 * layer(x).square().mean() + layer.divergence() / events
            loss.backward()
            steps.step()
        found[events] = float(layer.log_variance.exp().mean().detach())
    for events, variance in found.items():
        assert variance == pytest.approx(1 / (events + 4), rel=0.4)


def test_local_reparameterisation_has_the_moments_of_drawn_weights():
    torch.manual_seed(1)
    layer, x = bayesian().train(), torch.randn(1, 4)
    layer.events = 40_000
    drawn = layer(x.expand(40_000, 4))
    mean = x @ layer.mean.T + layer.bias
    variance = x.square() @ layer.log_variance.exp().T
    torch.testing.assert_close(drawn.mean(0, keepdim=True), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.var(0, keepdim=True), variance, atol=0, rtol=0.03)


def test_points_of_an_event_share_their_weights():
    """Equal points get equal outputs, which noise on each output would tell apart."""
    layer = bayesian().train()
    layer.events = 2
    outputs = layer(torch.ones(5, 4))
    torch.testing.assert_close(outputs, outputs[:1].expand(5, -1), rtol=0, atol=0)


def test_narrow_gaussians_are_the_plain_network():
    posterior = BayesByBackprop(DENSE, 1).eval()
    for layer in posterior.layers:
        widen(layer, -60)
    x = torch.randn(7, 3)
    torch.testing.assert_close(posterior.draws(table=x), posterior(table=x).expand(50, -1, -1))


@pytest.mark.parametrize("kind", POSTERIORS)
def test_a_draw_is_the_same_for_an_event_whatever_stands_beside_it(kind):
    posterior, x = fitted(kind, DENSE), torch.randn(9, 3)
    with torch.no_grad():
        together, apart = posterior.draws(table=x), posterior.draws(table=x[4:6])
    torch.testing.assert_close(together[:, 4:6], apart)
    assert together.std(0).min() > 0


@pytest.mark.parametrize("kind", POSTERIORS)
def test_draws_of_a_cloud_do_not_depend_on_the_order_of_its_points(kind):
    posterior, (features, lengths) = fitted(kind, CLOUD), cloud()
    turned = torch.cat([points.flip(0) for points in features.split(lengths.tolist())])
    with torch.no_grad():
        one = posterior.draws(features=features, lengths=lengths)
        other = posterior.draws(features=turned, lengths=lengths)
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", POSTERIORS)
def test_a_prediction_leaves_the_random_numbers_of_others_alone(kind):
    posterior = fitted(kind, DENSE)
    state = torch.get_rng_state()
    posterior.draws(table=torch.randn(2, 3, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(torch.get_rng_state(), state)


def test_masks_have_the_share_of_the_dropout():
    posterior = McDropout(partial(DenseNetwork, 2, 1, widths=(400,), dropout=0.3), 1, draws=40)
    posterior.eval().draws(table=torch.ones(1, 2))
    (layer,) = posterior.random_layers
    layer.draw()
    kept = torch.stack([(layer.draw(), layer(torch.ones(1, 400)))[1] for _ in range(50)])
    assert (kept > 0).float().mean() == pytest.approx(0.7, abs=0.01)
    assert kept.max() == pytest.approx(1 / 0.7)


class TestLaplace:
    """y = w·x + b with Gaussian noise of known width: the posterior is exact."""

    width, prior = 0.4, 2.0

    @pytest.fixture
    def fit(self):
        torch.manual_seed(3)
        x = torch.randn(200, 3)
        batch = Batch({"table": x}, weight=torch.ones(200))
        posterior = LastLayerLaplace(
            partial(DenseNetwork, 3, 1, widths=()), 1, draws=4000, prior=self.prior
        ).eval()
        y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + self.width * torch.randn(200, 1)
        posterior.fit_posterior([batch], lambda o, _: (o - y).square().sum(1) / (2 * self.width**2))
        design = torch.cat([x, torch.ones(200, 1)], 1).double()
        exact = (design.T @ design / self.width**2 + torch.eye(4) / self.prior**2).inverse()
        return posterior, exact

    def test_covariance_of_the_weights_is_the_exact_one(self, fit):
        posterior, exact = fit
        torch.testing.assert_close(
            (posterior.root @ posterior.root.T).double(), exact, atol=1e-6, rtol=1e-4
        )

    def test_deviation_of_predictions_is_the_exact_one(self, fit):
        posterior, exact = fit
        x = torch.tensor([[0.0, 0, 0], [5, 0, 0], [1, -4, 2]])
        design = torch.cat([x, torch.ones(3, 1)], 1).double()
        expected = (design @ exact * design).sum(1).sqrt().float()
        torch.testing.assert_close(
            posterior.draws(table=x).std(0)[:, 0], expected, rtol=0.05, atol=0
        )

    def test_batches_do_not_matter(self, fit):
        _, exact = fit
        again = LastLayerLaplace(partial(DenseNetwork, 3, 1, widths=()), 1, prior=self.prior)
        torch.manual_seed(3)
        x = torch.randn(200, 3)
        batches = [Batch({"table": part}) for part in x.split(30)]
        again.fit_posterior(batches, lambda o, _: o.square().sum(1) / (2 * self.width**2))
        torch.testing.assert_close(
            (again.root @ again.root.T).double(), exact, atol=1e-6, rtol=1e-4
        )


def test_curvature_of_cross_entropy_is_that_of_a_softmax():
    outputs = torch.randn(5, 3, requires_grad=True)
    p = outputs.detach().softmax(1)
    expected = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    losses = nn.functional.cross_entropy(outputs, torch.tensor([0, 1, 2, 0, 1]), reduction="none")
    torch.testing.assert_close(curvatures(losses, outputs), expected, atol=1e-6, rtol=1e-5)


def test_precision_of_largest_evidence_is_a_stationary_point():
    values, squares = torch.tensor([50.0, 8.0, 0.3]).double(), 2.5

    def evidence(log_d):
        d = math.exp(log_d)
        return 1.5 * log_d - 0.5 * d * squares - 0.5 * float((values + d).log().sum())

    best = math.log(evidence_precision(values, squares))
    assert evidence(best) > max(evidence(best - 0.05), evidence(best + 0.05))


def test_members_are_the_networks_of_their_seeds():
    ensemble, x = DeepEnsemble(DENSE, 7, size=3).eval(), torch.randn(5, 3)
    for member, outputs in enumerate(ensemble(table=x)):
        torch.manual_seed(7 + member)
        torch.testing.assert_close(outputs, DENSE().eval()(x))


@pytest.mark.parametrize("batched", [True, False])
def test_members_of_a_cloud_network_together_and_one_by_one(batched):
    ensemble, (features, lengths) = DeepEnsemble(CLOUD, 7, size=3).eval(), cloud()
    ensemble.batched = batched
    outputs = ensemble(features=features, lengths=lengths)
    assert ensemble.batched is batched
    torch.manual_seed(8)
    torch.testing.assert_close(outputs[1], CLOUD().eval()(features, lengths))


def test_dropout_differs_between_members():
    ensemble = DeepEnsemble(partial(DenseNetwork, 3, 1, widths=(64,), dropout=0.5), 1, size=2)
    for values in ensemble.stack.values():
        values.data[1] = values.data[0]
    outputs = ensemble.train()(table=torch.ones(1, 3))
    assert not torch.equal(outputs[0], outputs[1])


REFUSALS = {
    "needs linear layers": lambda: BayesByBackprop(nn.Identity, 1),
    "'prior' must be above 0": lambda: BayesByBackprop(DENSE, 1, prior=0.0),
    "'temperature' must be above 0": lambda: BayesByBackprop(DENSE, 1, temperature=0.0),
    "'draws' must be at least 2": lambda: McDropout(DENSE, 1, draws=1),
    "set its option 'dropout'": lambda: McDropout(partial(DenseNetwork, 3, 2), 1),
    "'size' must be at least 2": lambda: DeepEnsemble(DENSE, 1, size=1),
    "more than the 4096": lambda: LastLayerLaplace(partial(DenseNetwork, 3, 2, widths=(3000,)), 1),
}


@pytest.mark.parametrize("message", REFUSALS)
def test_what_cannot_be_is_refused_in_a_sentence(message):
    with pytest.raises(StudyError, match=message):
        REFUSALS[message]()


def test_a_model_that_computes_with_its_weights_itself_is_refused():
    posterior = BayesByBackprop(partial(ParticleNet, 4, 2, 2), 1)
    features, lengths = torch.randn(40, 4), torch.tensor([20, 20])
    with pytest.raises(StudyError, match="computes with their weights itself"):
        posterior(features=features, coordinates=torch.randn(40, 2), lengths=lengths)


def test_a_covariance_that_is_not_fitted_is_refused():
    with pytest.raises(RunError, match="not fitted yet"):
        LastLayerLaplace(DENSE, 1).draws(table=torch.ones(1, 3))


def test_the_energy_flow_network_takes_gaussian_weights():
    make = partial(EnergyFlowNetwork, 4, 2, 2, phi=(8,), f=(8,))
    posterior = fitted("bayes_by_backprop", make)
    lengths = torch.tensor([3, 2])
    momenta = torch.rand(5, 4) + 1
    drawn = posterior.draws(momenta=momenta, coordinates=torch.randn(5, 2), lengths=lengths)
    assert drawn.shape == (5, 2, 2)
