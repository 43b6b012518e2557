"""Momenta of made-up jets, boosts and rotations."""

import torch


def momenta(lengths, seed=0):
    """Return (points, 4) of pions of some ten GeV around one direction, double precision."""
    random = torch.Generator().manual_seed(seed)
    three = 5 * torch.randn(sum(lengths), 3, generator=random, dtype=torch.float64)
    three = three + torch.tensor([40.0, 0.0, 15.0], dtype=torch.float64)
    energy = (three.square().sum(1) + 0.14**2).sqrt()
    return torch.cat([energy[:, None], three], 1)


def rotation(seed=0):
    """Return a random rotation, (4, 4)."""
    random = torch.Generator().manual_seed(seed)
    turned, _ = torch.linalg.qr(torch.randn(3, 3, generator=random, dtype=torch.float64))
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[1:, 1:] = turned * turned.det()
    return matrix


def boost(velocity):
    """Return the boost by β (3,), as a matrix (4, 4)."""
    beta = torch.as_tensor(velocity, dtype=torch.float64)
    gamma = 1 / (1 - beta.square().sum()).sqrt()
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[0, 0] = gamma
    matrix[0, 1:] = matrix[1:, 0] = -gamma * beta
    matrix[1:, 1:] += (gamma - 1) * torch.outer(beta, beta) / beta.square().sum()
    return matrix


def transformation(seed=0, fastest=0.9):
    """Return a random rotation after a random boost of at most this speed, (4, 4)."""
    random = torch.Generator().manual_seed(seed)
    direction = torch.randn(3, generator=random, dtype=torch.float64)
    speed = fastest * torch.rand(1, generator=random, dtype=torch.float64)
    return rotation(seed + 1) @ boost(direction / direction.norm() * speed)


def check_order_does_not_matter(network, seed):
    """Check that shuffling the particles within their jets leaves the outputs as they are."""
    p, lengths = momenta([9, 3, 12], seed % 100), torch.tensor([9, 3, 12])
    torch.manual_seed(seed)
    order = torch.cat([torch.randperm(9), 9 + torch.randperm(3), 12 + torch.randperm(12)])
    with torch.no_grad():
        torch.testing.assert_close(network(p[order], lengths), network(p, lengths))


def check_independent_jets(network, lengths):
    """Check that the outputs of a jet do not depend on the others in the batch."""
    p = momenta(lengths)
    with torch.no_grad():
        together = network(p, torch.tensor(lengths))
        parts = zip(p.split(lengths), lengths, strict=True)
        alone = torch.cat([network(part, torch.tensor([n])) for part, n in parts])
    torch.testing.assert_close(together, alone)


def check_short_jets_train(network, lengths):
    """Check that outputs and gradients are finite for jets of no or few particles."""
    output = network(momenta(lengths), torch.tensor(lengths))
    output.sum().backward()
    assert output.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
