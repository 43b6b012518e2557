import pytest
import torch
from torch.nn.utils.rnn import pack_sequence, unpack_sequence

from bunchtrain.errors import StudyError
from bunchtrain.methods.supervised import Network
from bunchtrain.networks.layers.recurrence import all_states, last_states
from bunchtrain.networks.recurrent_network import RecurrentNetwork

SHAPES = [
    {"cell": "lstm"},
    {"cell": "gru"},
    {"cell": "gru", "layers": 2, "bidirectional": True},
    {"cell": "lstm", "bidirectional": True},
]
LENGTHS = torch.tensor([3, 0, 5, 1, 5, 0, 2])


def jets(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(int(LENGTHS.sum()), 4, generator=generator)


@pytest.mark.parametrize("options", SHAPES)
def test_states_and_gradients_are_those_of_torch_s_packed_sequences(options):
    features, model = jets(), RecurrentNetwork(4, 2, hidden=6, **options).cells
    events = [e for e in features.split(LENGTHS.tolist()) if len(e)]
    reference = unpack_sequence(model(pack_sequence(events, enforce_sorted=False))[0])
    states = all_states(model, features, LENGTHS)
    torch.testing.assert_close(states, torch.cat(reference))
    weights = torch.randn(states.shape, generator=torch.Generator().manual_seed(1))
    theirs = torch.autograd.grad((torch.cat(reference) * weights).sum(), model.parameters())
    ours = torch.autograd.grad((states * weights).sum(), model.parameters())
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("options", SHAPES)
def test_the_state_is_that_of_each_event_alone(options):
    model = RecurrentNetwork(4, 2, hidden=6, widths=(5,), **options)
    features = jets()
    together = model(features, LENGTHS)
    for row, event in enumerate(features.split(LENGTHS.tolist())):
        alone = model(event, LENGTHS[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone)


def test_the_state_is_that_of_torch_s_cell_step_by_step():
    model = RecurrentNetwork(4, 2, cell="gru", hidden=6)
    cell = torch.nn.GRUCell(4, 6)
    for name, value in cell.named_parameters():
        value.data = getattr(model.cells, f"{name}_l0").data
    features, state = jets()[3:8], torch.zeros(1, 6)
    for point in features:
        state = cell(point[None], state)
    torch.testing.assert_close(last_states(model.cells, features, torch.tensor([5])), state)


@pytest.mark.parametrize("options", SHAPES)
def test_events_without_points_survive(options):
    model = RecurrentNetwork(4, 2, hidden=6, **options)
    empty = model(torch.zeros(0, 4), torch.zeros(3, dtype=torch.int64))
    assert empty.shape == (3, 2)
    torch.testing.assert_close(model(jets(), LENGTHS)[[1, 5]], empty[:2])
    model(jets(), LENGTHS).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_the_order_of_particles_counts():
    model = RecurrentNetwork(4, 2, hidden=6)
    features = jets()[:5]
    length = torch.tensor([5])
    assert not torch.allclose(model(features, length), model(features.flip(0), length))


def test_defaults_are_the_paper_s():
    """An LSTM of 128 and a dense layer of 64, arXiv:1711.09059."""
    model = RecurrentNetwork(7, 2)
    assert isinstance(model.cells, torch.nn.LSTM)
    assert model.cells.hidden_size == 128
    assert model.dense[0].out_features == 64


@pytest.mark.parametrize("options", SHAPES)
def test_the_state_at_each_point_is_torch_s_of_its_event_alone(options):
    model = RecurrentNetwork(4, 2, hidden=6, widths=(5,), **options)
    features = jets()
    found = model.embed_points(features, LENGTHS)
    assert found.shape == (len(features), model.point_width)
    alone = [model.cells(one)[0] for one in features.split(LENGTHS.tolist()) if len(one)]
    torch.testing.assert_close(found, torch.cat(alone))
    assert model.embed_points(features[:0], torch.zeros(2, dtype=torch.int64)).shape[0] == 0
    torch.testing.assert_close(model.read_out(found, LENGTHS), model(features, LENGTHS))


def network(causal):
    torch.manual_seed(1)
    model = RecurrentNetwork(4, 2, hidden=6, causal=causal)
    made = Network(torch.nn.Identity(), model, {"hit": 2}, axes={"hit": "point"})
    return made.eval()


def test_causal_outputs_of_points_see_no_later_point():
    """Of a track that is followed: another later point, or none, changes nothing before it."""
    features = jets()
    changed = features.clone()
    changed[2] += 1  # the last of the first event
    changed[6:8] += 1  # the last two of the third
    both = [
        network(causal=True)({"features": one, "lengths": LENGTHS})["hit"]
        for one in (features, changed)
    ]
    same = [0, 1, 3, 4, 5, *range(8, len(features))]
    torch.testing.assert_close(both[0][same], both[1][same])
    assert not torch.isclose(both[0][[2, 6, 7]], both[1][[2, 6, 7]]).any()
    shorter = network(causal=True)({"features": features[:2], "lengths": torch.tensor([2])})["hit"]
    torch.testing.assert_close(shorter, both[0][:2])
    others = [
        network(causal=False)({"features": one, "lengths": LENGTHS})["hit"]
        for one in (features, changed)
    ]
    assert not torch.isclose(others[0][:2], others[1][:2]).any()


def test_causal_and_bidirectional_exclude_each_other():
    with pytest.raises(StudyError, match="give one of the two"):
        RecurrentNetwork(4, 2, causal=True, bidirectional=True)
