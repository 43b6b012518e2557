"""Energy and particle flow networks: sums over particles, arXiv:1810.05165."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.methods.supervised import input_names
from bunchtrain.networks.energy_flow_network import EnergyFlowNetwork, momentum_fractions
from bunchtrain.networks.particle_flow_network import ParticleFlowNetwork

WIDTHS = {"phi": (8, 8), "f": (8,)}
seeds = st.integers(0, 2**31)


def direction_and_momentum(points, seed):
    """Return coordinates (points, 2) as (η, φ) and momenta (points, 4) of massless particles."""
    random = torch.Generator().manual_seed(seed)
    eta, phi = torch.randn(2, points, generator=random, dtype=torch.float64)
    pt = torch.rand(points, generator=random, dtype=torch.float64) * 100 + 1
    return torch.stack([eta, phi], 1), momenta(pt, eta, phi)


def momenta(pt, eta, phi):
    return torch.stack([pt * eta.cosh(), pt * phi.cos(), pt * phi.sin(), pt * eta.sinh()], 1)


def efn(seed=0):
    torch.manual_seed(seed)
    return EnergyFlowNetwork(4, 2, 3, **WIDTHS).double()


@settings(max_examples=20, deadline=None)
@given(seed=seeds, points=st.integers(1, 30))
def test_a_soft_particle_changes_nothing(seed, points):
    """Infrared safety: F changes by no more than order pT of a particle anywhere."""
    x, p = direction_and_momentum(points, seed)
    where, _ = direction_and_momentum(1, seed + 1)
    soft = momenta(torch.tensor([1e-9], dtype=torch.float64), *where.unbind(1))
    model = efn()
    before = model(p, x, torch.tensor([points]))
    after = model(torch.cat([p, soft]), torch.cat([x, where]), torch.tensor([points + 1]))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, points=st.integers(1, 30), share=st.floats(0, 1))
def test_a_collinear_splitting_changes_nothing(seed, points, share):
    x, p = direction_and_momentum(points, seed)
    split = torch.cat([share * p[:1], (1 - share) * p[:1], p[1:]])
    model = efn()
    before = model(p, x, torch.tensor([points]))
    after = model(split, torch.cat([x[:1], x]), torch.tensor([points + 1]))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-9)


def test_a_particle_flow_network_is_not_collinear_safe():
    x, p = direction_and_momentum(5, 1)
    torch.manual_seed(0)
    model = ParticleFlowNetwork(6, 3, **WIDTHS).double()
    split = torch.cat([0.5 * p[:1], 0.5 * p[:1], p[1:]])
    before = model(torch.cat([x, p], 1), torch.tensor([5]))
    after = model(torch.cat([torch.cat([x[:1], x]), split], 1), torch.tensor([6]))
    assert not torch.allclose(before, after)


def test_momentum_fractions_of_a_jet_sum_to_one():
    lengths = torch.tensor([3, 0, 4, 1])
    _, p = direction_and_momentum(8, 2)
    z = momentum_fractions(p, lengths)
    sums = torch.stack([part.sum() for part in z.split(lengths.tolist())])
    torch.testing.assert_close(sums, torch.tensor([1.0, 0, 1, 1], dtype=torch.float64))
    torch.testing.assert_close(z[0] / z[1], p[0, 1:3].norm() / p[1, 1:3].norm())
    assert not momentum_fractions(0 * p, lengths).any()


def test_the_equations_jet_by_jet():
    lengths = torch.tensor([4, 0, 6])
    x, p = direction_and_momentum(10, 3)
    torch.manual_seed(0)
    pfn, flow = ParticleFlowNetwork(2, 3, **WIDTHS).double(), efn()
    z = momentum_fractions(p, lengths)[:, None]
    expected_pfn = [pfn.f(pfn.phi(part).sum(0)) for part in x.split([4, 0, 6])]
    expected_efn = [flow.f(part.sum(0)) for part in (z * flow.phi(x)).split([4, 0, 6])]
    torch.testing.assert_close(pfn(x, lengths), torch.stack(expected_pfn))
    torch.testing.assert_close(flow(p, x, lengths), torch.stack(expected_efn))


@settings(max_examples=20, deadline=None)
@given(seed=seeds, sizes=st.lists(st.integers(0, 6), min_size=1, max_size=5))
def test_the_order_of_particles_does_not_count(seed, sizes):
    lengths = torch.tensor(sizes)
    x, p = direction_and_momentum(sum(sizes), seed)
    torch.manual_seed(seed)
    within = [
        torch.randperm(n) + s for n, s in zip(sizes, lengths.cumsum(0) - lengths, strict=True)
    ]
    order = torch.cat(within)
    torch.manual_seed(0)
    pfn, flow = ParticleFlowNetwork(2, 3, **WIDTHS).double(), efn()
    torch.testing.assert_close(pfn(x[order], lengths), pfn(x, lengths))
    torch.testing.assert_close(flow(p[order], x[order], lengths), flow(p, x, lengths))


def test_jets_do_not_see_each_other_and_may_be_empty():
    lengths = torch.tensor([3, 0, 5])
    x, p = direction_and_momentum(8, 5)
    pfn, flow = ParticleFlowNetwork(2, 3, **WIDTHS).double(), efn()
    torch.testing.assert_close(pfn(x, lengths)[2:], pfn(x[3:], lengths[2:]))
    torch.testing.assert_close(flow(p, x, lengths)[2:], flow(p[3:], x[3:], lengths[2:]))
    output = flow(p, x, lengths).sum() + pfn(x, lengths).sum()
    output.backward()
    grads = [q.grad for q in [*pfn.parameters(), *flow.parameters()]]
    assert all(g is not None and g.isfinite().all() for g in grads)
    nothing = torch.zeros(0, 2, dtype=torch.float64)
    assert pfn(nothing, torch.tensor([0, 0])).isfinite().all()
    assert flow(nothing.new_zeros(0, 4), nothing, torch.tensor([0, 0])).isfinite().all()


def test_what_they_need_and_the_paper_s_widths():
    assert input_names(ParticleFlowNetwork) == ("features", "lengths")
    assert input_names(EnergyFlowNetwork) == ("momenta", "coordinates", "lengths")
    for model in [ParticleFlowNetwork(7, 2), EnergyFlowNetwork(4, 2, 2)]:
        phi, f = (
            [m.out_features for m in part if isinstance(m, torch.nn.Linear)]
            for part in (model.phi, model.f)
        )
        assert phi == [100, 100, 256]
        assert f == [100, 100, 100, 2]
