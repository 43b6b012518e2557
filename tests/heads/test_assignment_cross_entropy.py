"""The symmetric cross-entropy of assignments: value, invariances, best joint assignment."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.heads._combinations import (
    combination_masks,
    combinations,
    find_combinations,
    pack,
    unpack,
)
from bunchtrain.heads._joint_assignment import best_assignment
from bunchtrain.heads.assignment_cross_entropy import AssignmentCrossEntropy
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.weighted_sum import weighted_sums
from bunchtrain.targets import Assignment, Quantity, Target

TOPS = Assignment(
    "jet",
    (("t1", ("b", "q1", "q2")), ("t2", ("b", "q1", "q2"))),
    (("t1", "t2"), ("t1_q1", "t1_q2")),
)
MIXED = Assignment(
    "jet", (("h", ("b1", "b2")), ("lepton_b", ()), ("t", ("b", "q1", "q2"))), (("h_b1", "h_b2"),)
)
TARGET = Target("tops", assignment=TOPS)


def rows(lengths, assignment):
    return sum(int(one.sum()) for one in combination_masks(torch.tensor(lengths), assignment))


def example(lengths, assignment=TOPS, seed=1, missing=0.0):
    """Return random packed scores, and a batch with a random true assignment."""
    random = np.random.default_rng(seed)
    truth = np.full((len(lengths), len(assignment.roles)), -1)
    for event, n in enumerate(lengths):
        chosen = random.permutation(max(n, len(assignment.roles)))[: len(assignment.roles)]
        truth[event] = np.where((chosen < n) & (random.random(len(chosen)) >= missing), chosen, -1)
    scores = torch.tensor(random.normal(size=(rows(lengths, assignment), 1)))
    inputs = {"lengths": torch.tensor(lengths), "features": torch.zeros(sum(lengths), 1)}
    return scores, Batch(inputs, {"tops": torch.tensor(truth)}, torch.ones(len(lengths)))


def as_numpy(batch):
    """Return a batch of arrays, as those of represented events."""
    inputs, targets = (
        {k: v.numpy() for k, v in part.items()} for part in (batch.inputs, batch.targets)
    )
    return Batch(inputs, targets, batch.weight.numpy())


def test_symmetries_of_particles_and_products():
    assert TOPS.roles == ("t1_b", "t1_q1", "t1_q2", "t2_b", "t2_q1", "t2_q2")
    assert TOPS.particle_orders == ((0, 1), (1, 0))
    # What t1 has follows for t2, with which it may be exchanged.
    assert TOPS.product_sets == (((0,), (1, 2)), ((0,), (1, 2)))
    assert MIXED.product_sets == (((0, 1),), ((0,),), ((0,), (1,), (2,)))
    assert MIXED.particle_orders == ((0, 1, 2),)
    assert Assignment.from_dict(TOPS.as_dict()) == TOPS
    assert Target.from_dict("tops", TARGET.as_dict()) == TARGET


@pytest.mark.parametrize(
    ("symmetries", "text"),
    [
        ([("t", "hh")], "no particle or product 'hh'; did you mean 'h'"),
        ([("h_b1", "h_b3")], "no particle or product 'h_b3'"),
        ([("h", "t")], "'h' and 't' cannot be exchanged, as their products differ"),
        ([("h_b1", "t_b")], "'h_b1' and 't_b' belong to different particles; exchange 'h' and 't'"),
        ([("h", "t_b")], "a particle and a product, 'h' and 't_b'"),
        ([("h",)], r"\[h\] must list two or more different names"),
        ([("h_b1", "h_b1")], "must list two or more different names"),
    ],
)
def test_symmetries_that_cannot_be(symmetries, text):
    with pytest.raises(ValueError, match=text):
        Assignment("jet", MIXED.particles, tuple(symmetries))


def test_other_particles_that_cannot_be():
    many = tuple((f"p{k}", ()) for k in range(7))
    with pytest.raises(ValueError, match="5,040 orders, and 720 are possible"):
        Assignment("jet", many, (tuple(name for name, _ in many),))
    with pytest.raises(ValueError, match="'x' has 5 products, and a particle has at most 4"):
        Assignment("jet", (("x", tuple("abcde")),))
    with pytest.raises(ValueError, match="the name 'a_b'"):
        Assignment("jet", (("a", ("b",)), ("a_b", ())))


@pytest.mark.parametrize("points", range(7))
@pytest.mark.parametrize("sets", [((0,),), ((0, 1),), ((0,), (1, 2)), ((0,), (1,), (2,))])
def test_combinations_are_all_choices_without_order_in_a_set(points, sets):
    count = sum(map(len, sets))
    expected = {
        c
        for c in itertools.permutations(range(points), count)
        if all(c[i] < c[k] for one in sets for i, k in itertools.pairwise(one))
    }
    found = combinations(points, sets)
    assert found.shape == (len(expected), count)
    assert set(map(tuple, found.tolist())) == expected
    assert torch.equal(found, combinations(points + 1, sets)[: len(found)])
    place = find_combinations(found.flip(0), points, sets)
    assert torch.equal(place, torch.arange(len(found)).flip(0))


def test_too_many_combinations_end_in_a_sentence():
    with pytest.raises(DataError, match="500 points, from which 3 products"):
        combinations(500, ((0,), (1, 2)))


def test_the_loss_by_hand():
    """Two particles of one item, two points: P1 = (0.2, 0.8), P2 = (0.7, 0.3)."""
    pair = Assignment("jet", (("a", ()), ("b", ())), (("a", "b"),))
    head = AssignmentCrossEntropy(Target("tops", assignment=pair))
    scores = torch.tensor([0.2, 0.8, 0.7, 0.3]).log()[:, None].repeat(4, 1) + 3.0
    truth = torch.tensor([[0, 1], [1, 0], [1, -1], [-1, -1]])
    batch = Batch(
        {"lengths": torch.tensor([2] * 4), "features": torch.zeros(8, 1)}, {"tops": truth}
    )
    # a=0, b=1 or, exchanged, a=1, b=0; of the third event the particle may be either.
    best = max(0.2 * 0.3, 0.8 * 0.7)
    expected = [-math.log(best), -math.log(best), -math.log(max(0.8, 0.3)), 0.0]
    found = head({"tops": scores}, batch)
    torch.testing.assert_close(found, torch.tensor(expected))
    alone = AssignmentCrossEntropy(Target("tops", assignment=Assignment("jet", pair.particles)))(
        {"tops": scores}, batch
    )
    expected = [-math.log(0.2 * 0.3), -math.log(0.8 * 0.7), -math.log(0.8), 0.0]
    torch.testing.assert_close(alone, torch.tensor(expected))


LENGTHS = st.lists(st.integers(0, 8), min_size=1, max_size=5)


@pytest.mark.property
@settings(max_examples=examples(40), deadline=None)
@given(LENGTHS, st.integers(0, 1000), st.sampled_from([TOPS, MIXED]))
def test_scores_are_packed_and_unpacked(lengths, seed, assignment):
    scores, batch = example(lengths, assignment, seed)
    masks = combination_masks(batch.inputs["lengths"], assignment)
    tables = unpack(scores, masks)
    assert torch.equal(pack(tables, masks), scores)
    one_by_one = [combination_masks(torch.tensor([n]), assignment) for n in lengths]
    counts = [sum(int(mask.sum()) for mask in masks) for masks in one_by_one]
    for event, (masks, part) in enumerate(zip(one_by_one, scores.split(counts), strict=True)):
        for table, own in zip(tables, unpack(part, masks), strict=True):
            assert torch.equal(table[event][: own.shape[1]], own[0])
            assert table[event][own.shape[1] :].isneginf().all()


@pytest.mark.property
@settings(max_examples=examples(40), deadline=None)
@given(LENGTHS, st.integers(0, 1000), st.sampled_from([0.0, 0.3]))
def test_symmetries_of_the_truth_change_no_loss(lengths, seed, missing):
    scores, batch = example(lengths, seed=seed, missing=missing)
    head = AssignmentCrossEntropy(TARGET)
    before = head({"tops": scores}, batch)
    assert before.isfinite().all()
    for order in ([0, 2, 1, 3, 4, 5], [0, 1, 2, 3, 5, 4], [3, 4, 5, 0, 1, 2]):
        changed = Batch(batch.inputs, {"tops": batch.targets["tops"][:, order]}, batch.weight)
        torch.testing.assert_close(head({"tops": scores}, changed), before)
    other = Batch(batch.inputs, {"tops": batch.targets["tops"][:, [1, 0, 2, 3, 4, 5]]})
    if (batch.targets["tops"] >= 0).all():
        assert not torch.allclose(head({"tops": scores}, other), before)


@pytest.mark.property
@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.integers(0, 7), min_size=2, max_size=5), st.integers(0, 1000))
def test_events_are_independent_and_weights_count(lengths, seed):
    scores, batch = example(lengths, seed=seed, missing=0.1)
    head = AssignmentCrossEntropy(TARGET)
    counts = [rows([n], TOPS) for n in lengths]
    parts, store = scores.split(counts), EventStore([as_numpy(batch)])
    together = head({"tops": scores}, batch)
    for event in range(len(lengths)):
        one = store.take(np.array([event])).tensors()
        torch.testing.assert_close(head({"tops": parts[event]}, one)[0], together[event])
    assert head.output_rows(batch) == len(scores)
    batch.weight[0] = 0
    sums = weighted_sums([(head, 2.0)], {"tops": scores}, batch)
    torch.testing.assert_close(sums.total, 2 * together[1:].sum())


def test_gradients_are_finite_and_reach_every_particle():
    scores, batch = example([6, 0, 8, 2, 7], missing=0.0)
    scores.requires_grad_()
    AssignmentCrossEntropy(TARGET)({"tops": scores}, batch).sum().backward()
    assert scores.grad.isfinite().all()
    masks = combination_masks(batch.inputs["lengths"], TOPS)
    for table in unpack(scores.grad, masks):
        assert (table[0] != 0).any()
        assert (table[2] != 0).any()


def brute_force(log_p, tables):
    """Return the largest number of particles with a combination, and then the best sum."""
    best = (-1, -math.inf)
    choices = [
        [(-1, 0.0, ())]
        + [
            (k, float(p), tuple(c))
            for k, (p, c) in enumerate(zip(row, table, strict=True))
            if p > -1e9
        ]
        for row, table in zip(log_p, (table.tolist() for table in tables), strict=True)
    ]
    for chosen in itertools.product(*choices):
        points = [point for one in chosen for point in one[2]]
        if len(points) == len(set(points)):
            best = max(best, (sum(k >= 0 for k, *_ in chosen), sum(p for _, p, _ in chosen)))
    return best


@pytest.mark.property
@settings(max_examples=examples(25), deadline=None)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=4), st.integers(0, 1000), st.booleans())
def test_the_best_joint_assignment_is_that_of_brute_force(lengths, seed, sharp):
    assignment = TOPS if seed % 2 else Assignment("jet", MIXED.particles[:2], MIXED.symmetries)
    scores, batch = example(lengths, assignment, seed)
    masks = combination_masks(batch.inputs["lengths"], assignment)
    log_p = [one.log_softmax(1) for one in unpack(scores * (20 if sharp else 1), masks)]
    log_p = [one.nan_to_num(nan=-math.inf, neginf=-math.inf) for one in log_p]
    tables = [combinations(max(lengths), sets) for sets in assignment.product_sets]
    chosen = best_assignment(log_p, tables)
    for event in range(len(lengths)):
        placed = [(k, int(c)) for k, c in enumerate(chosen[event]) if c >= 0]
        points = [p for k, c in placed for p in tables[k][c].tolist()]
        assert len(points) == len(set(points))
        total = sum(float(log_p[k][event, c]) for k, c in placed)
        count, best = brute_force([one[event] for one in log_p], tables)
        assert len(placed) == count
        assert total == pytest.approx(best, abs=1e-9)


def test_a_narrow_first_search_is_repeated(monkeypatch):
    from bunchtrain.heads import _joint_assignment

    scores, batch = example([8] * 20, seed=5)
    masks = combination_masks(batch.inputs["lengths"], TOPS)
    log_p = [one.log_softmax(1) for one in unpack(scores * 0.1, masks)]
    log_p[1] = log_p[0].clone()  # both want the same points
    tables = [combinations(8, sets) for sets in TOPS.product_sets]
    wide = best_assignment(log_p, tables)
    monkeypatch.setattr(_joint_assignment, "WIDTH", 1)
    narrow = best_assignment(log_p, tables)
    total = [
        sum(one.gather(1, chosen[:, k, None]) for k, one in enumerate(log_p))
        for chosen in (wide, narrow)
    ]
    torch.testing.assert_close(total[0], total[1])


def test_predictions_and_their_probabilities():
    scores, batch = example([6, 7, 4, 0], seed=3)
    head = AssignmentCrossEntropy(TARGET)
    found = {q.name: v for q, v in head.event_predictions(scores, batch.inputs["lengths"]).items()}
    index = torch.stack([found[role] for role in TOPS.roles], 1)
    assert (index[:2] >= 0).all()
    assert all(len(set(row.tolist())) == 6 for row in index[:2])
    assert (index[2] >= 0).sum() == 3  # four points: one of two particles
    assert (index[3] == -1).all()
    log_p = [
        one.log_softmax(1)
        for one in unpack(scores, combination_masks(batch.inputs["lengths"], TOPS))
    ]
    table = combinations(7, TOPS.product_sets[0])
    own = [find_combinations(index[:, k : k + 3], 7, TOPS.product_sets[0]) for k in (0, 3)]
    for k, name in enumerate(("t1", "t2")):
        expected = log_p[k][:2].gather(1, own[k][:2, None])[:, 0].exp()
        torch.testing.assert_close(found[f"{name}_probability"][:2], expected.float())
    has_b = (table[:, 0] == index[0, 0]).float()
    expected = (log_p[0][0].exp() * has_b).sum()
    torch.testing.assert_close(found["t1_b_probability"][0], expected.float())
    has_q = (table[:, 1:] == index[0, 1]).any(1).float()
    expected = (log_p[0][0].exp() * has_q).sum()
    torch.testing.assert_close(found["t1_q1_probability"][0], expected.float())
    p = [[log_p[k][0, own[j][0]].exp() for j in (0, 1)] for k in (0, 1)]
    expected = p[0][0] * p[1][1] + p[0][1] * p[1][0]
    torch.testing.assert_close(found["assignment_probability"][0], expected.float())
    assert found["assignment_probability"][3].isnan()
    assert set(head.predictions(torch.zeros(1, 1))) == set(
        head.event_predictions(scores, batch.inputs["lengths"])
    )
    assert Quantity("t1_b", "index") in head.predictions(torch.zeros(1, 1))


def test_wrong_targets_end_in_a_sentence():
    with pytest.raises(StudyError, match="needs a target with an assignment, and target 'x' has c"):
        AssignmentCrossEntropy(Target("x", classes=("a", "b")))
    with pytest.raises(StudyError, match="has an assignment; use 'assignment_cross_entropy'"):
        CrossEntropy(TARGET)
    scores, batch = example([6])
    batch.targets["tops"] = batch.targets["tops"].float()
    with pytest.raises(DataError, match=r"must be indices of points \(batch, 6\) of int64"):
        AssignmentCrossEntropy(TARGET)({"tops": scores}, batch)
