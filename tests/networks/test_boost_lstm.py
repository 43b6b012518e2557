"""Learned boosts and LSTM: what is seen from rest frames, and event by event."""

import pytest
import torch
from lorentz import boost, check_independent_jets, check_short_jets_train, momenta

from bunchtrain.methods.supervised import input_names
from bunchtrain.networks.boost_lstm import BoostLSTM

LENGTHS = [9, 0, 3, 1, 12]


def network():
    torch.manual_seed(3)
    made = BoostLSTM(4, 3, particles=5, frames=2, hidden=6, widths=(5,)).double()
    with torch.no_grad():
        for seed in range(3):
            made.train()(momenta([9, 5, 7], seed), torch.tensor([9, 5, 7]))
    return made.eval()


def test_frames_are_sums_of_the_leading_points():
    made, p = network(), momenta([7, 3])
    frames = made.frames(p, torch.tensor([7, 3]))
    weights = made.weights.abs()
    torch.testing.assert_close(frames[0], weights @ p[:5])
    torch.testing.assert_close(frames[1], weights[:, :3] @ p[7:])


def test_the_particle_that_a_frame_is_made_of_rests_in_it():
    made, p = network(), momenta([7])
    with torch.no_grad():
        made.weights.zero_()[0, 2] = 3.0
    log_energy, _, log_mass = made.boosted_kinematics(p, torch.tensor([7]))[2, :3]
    torch.testing.assert_close(log_energy, log_mass)


def test_energies_and_masses_in_the_frames_do_not_depend_on_the_observer():
    made, p, lengths = network(), momenta([9]), torch.tensor([9])
    one = made.boosted_kinematics(p, lengths).view(9, 3, 5)[:, :2]
    other = made.boosted_kinematics(p @ boost([0.2, -0.3, 0.5]).T, lengths).view(9, 3, 5)[:, :2]
    torch.testing.assert_close(one[..., [0, 2]], other[..., [0, 2]])
    assert not torch.allclose(one[..., 1], other[..., 1])


def test_an_event_does_not_see_the_others():
    check_independent_jets(network(), LENGTHS)


@pytest.mark.parametrize("lengths", [[0, 0], [1], [0, 1, 2]])
def test_short_events_train(lengths):
    check_short_jets_train(network().train(), lengths)


def test_the_order_of_particles_counts():
    made, p, length = network(), momenta([6]), torch.tensor([6])
    assert not torch.allclose(made(p, length), made(p.flip(0), length))


def test_what_it_needs():
    assert input_names(BoostLSTM) == ("momenta", "lengths")
