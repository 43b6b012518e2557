"""The contract of all environments and all policies, and of the tables that rollouts give."""

import sys
import warnings

import awkward as ak
import numpy as np
import pytest

from bunchtrain import parts
from bunchtrain.environments._columns import action_columns, check_space, observation_columns
from bunchtrain.environments._making import build_environment, single_env, vector_env
from bunchtrain.errors import MissingDependency, StudyError, UserError
from bunchtrain.evaluations.rate_control import RateControl, read_rollout
from bunchtrain.tables.arrays import Arrays
from bunchtrain.workflow.rollout import rollout, write_rollouts

gymnasium = pytest.importorskip("gymnasium", reason="pip install 'bunchtrain[environments]'")

STREAM = {"scores": ["score"], "signal": "label == 1", "budget": 2.0, "blocks": 8}
ENVIRONMENTS = {
    "event_stream": STREAM | {"step_probability": 0.2},
    "gymnasium": {"id": "CartPole-v1"},
}
#: Policy → its options and those of the event stream.
POLICIES = {
    "best_threshold": ({}, {}),
    "fixed": ({}, {}),
    "prescale": ({}, {"prescale": True}),
    "random": ({}, {}),
    "threshold": ({"window": 4}, {}),
}


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(1)
    label = np.r_[np.zeros(4000), np.ones(1000)]
    score = random.normal(2 * label)
    return Arrays({"score": score, "other": score + random.normal(size=5000), "label": label})


def read(found):
    return ak.concatenate(list(found.blocks(list(found.fields()), 10**6)))


def make(name, table, **options):
    needs_table = name == "event_stream"
    return build_environment(name, ENVIRONMENTS[name] | options, table if needs_table else None)


def play(table, policy="threshold", environment=None, **options):
    given = {"name": "event_stream", **STREAM, **(environment or {})}
    return read(rollout(given, policy, table=table, **options))


def test_every_environment_and_policy_has_a_case():
    assert set(parts.locate("environment")) == set(ENVIRONMENTS)
    assert set(parts.locate("policy")) == set(POLICIES)


@pytest.mark.parametrize("name", sorted(ENVIRONMENTS))
def test_the_check_of_gymnasium(name, table):
    from gymnasium.utils.env_checker import check_env

    with warnings.catch_warnings():  # of recommendations, as of bounded observations
        warnings.simplefilter("ignore")
        check_env(single_env(make(name, table)).unwrapped, skip_render_check=True)


@pytest.mark.parametrize("name", sorted(ENVIRONMENTS))
def test_episodes_depend_on_their_seed_alone(name, table):
    given = {"name": name, **ENVIRONMENTS[name]}
    options = {"table": table} if name == "event_stream" else {}
    every = read(rollout(given, "random", episodes=7, seed=5, **options))
    for batch in (1, 3):
        others = read(rollout(given, "random", episodes=7, seed=5, batch=batch, **options))
        assert ak.array_equal(every, others)
    fewer = read(rollout(given, "random", episodes=2, seed=5, **options))
    assert ak.array_equal(fewer, every[: len(fewer)])
    assert not ak.array_equal(every, read(rollout(given, "random", episodes=7, seed=6, **options)))


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_a_policy_does_not_see_the_other_episodes_of_the_batch(policy, table):
    options, environment = POLICIES[policy]
    given = {"name": policy, **options}
    every = play(table, given, environment, episodes=5)
    assert ak.array_equal(every, play(table, given, environment, episodes=5, batch=2))
    assert set(every.episode) == set(range(5))
    assert every.step.tolist() == list(range(8)) * 5
    assert every.truncated.tolist() == ([False] * 7 + [True]) * 5


def test_luminosity_and_scores_do_not_depend_on_the_actions(table):
    first, second = (play(table, one, episodes=3) for one in ("fixed", "random"))
    for name in ("last_luminosity", "quantiles_score_2", "luminosity"):
        assert ak.array_equal(first[name], second[name])
    assert not ak.array_equal(first.rate, second.rate)


def test_the_rate_and_the_reward_are_those_of_the_equations(table):
    steps = play(table, "fixed", {"penalty": 3.0}, episodes=40)
    found = {name: ak.to_numpy(steps[name]) for name in steps.fields}
    events = read(table)
    background = ak.to_numpy(events.score[events.label == 0]).astype(np.float32)
    passing = np.array([np.mean(background >= np.float32(cut)) for cut in found["action"]])
    expected = 100 * found["luminosity"] * passing
    assert np.allclose(found["expected_rate"], expected)
    pull = (found["rate"] - expected) / np.sqrt(expected * (1 - passing) / 23.3e3)
    assert abs(pull.mean()) < 4 / np.sqrt(320)
    assert abs(pull.std() - 1) < 4 / np.sqrt(640)
    beyond = np.maximum(0, abs(found["rate"] / 2 - 1) - 0.1)
    assert np.allclose(found["reward"], found["signal_efficiency"] - 3 * beyond)


def test_monitored_quantiles_are_those_of_drawn_events(table):
    given = {"monitored": 500, "tails": [0.05, 0.2], "blocks": 400}
    found = play(table, "fixed", given, episodes=1)[1:]
    events = read(table)
    background = np.sort(ak.to_numpy(events.score[events.label == 0]))
    drawn = np.random.default_rng(2).choice(background, (4000, 500))
    for k, tail in enumerate((0.05, 0.2)):
        wanted = np.sort(drawn, 1)[:, -round(500 * tail)]
        values = ak.to_numpy(found[f"quantiles_score_{k}"])
        assert abs(values.mean() - wanted.mean()) < 4 * wanted.std() / np.sqrt(399)
        assert values.std() == pytest.approx(wanted.std(), rel=0.15)


def test_the_adaptive_threshold_keeps_the_budget_and_the_fixed_one_does_not(table, tmp_path):
    environment = {"name": "event_stream", **STREAM, "blocks": 60, "lifetime": 0.5}
    policies = {"fixed": "fixed", "adaptive": "threshold", "limit": "best_threshold"}
    rows = write_rollouts(tmp_path / "t.parquet", environment, policies, table=table, episodes=4)
    assert rows == 3 * 4 * 60
    results = RateControl(rollout="menu").compare(read_rollout(tmp_path / "t.parquet"))
    results.check()
    found = {name: one["in_tolerance"] for name, one in results.metrics.items()}
    assert found["fixed"]["value"] < 0.4
    assert found["adaptive"]["value"] > 0.95
    assert found["limit"]["value"] == 1
    assert all(one["error"] > 0 for one in found.values())
    assert len(results.tables[1].rows) == 2


def test_a_fixed_threshold_for_another_luminosity(table):
    found = play(table, {"name": "fixed", "luminosity": 0.5}, {"blocks": 20}, episodes=3)
    assert np.mean(found.rate) == pytest.approx(4.0, rel=0.05)


def test_several_scores_share_the_budget(table):
    given = {"scores": {"a": "score", "b": "other"}, "budget": 5.0, "blocks": 40}
    for policy in ("best_threshold", "threshold"):
        found = play(table, policy, given, episodes=3)
        assert np.mean(found.rate[found.step > 20]) == pytest.approx(5.0, rel=0.03)
        assert {"action_0", "action_1", "quantiles_a_0"} < set(found.fields)


def test_recorded_fills_give_the_luminosity(table, tmp_path):
    path = tmp_path / "fills.csv"
    fills = [(1, 0.5), (1, 0.4), (1, 0.0), (1, 0.2), (2, 1.0)]
    path.write_text("fill,luminosity\n" + "\n".join(f"{a},{b}" for a, b in fills))
    found = play(table, "fixed", {"profile": str(path), "blocks": 2}, episodes=2)
    assert found.luminosity.tolist() == [0.5, 0.4] * 2
    with pytest.raises(UserError, match="has no fill of 9 blocks") as error:
        play(table, "fixed", {"profile": str(path)})
    assert len(str(error.value)) < 300


def test_processes_give_the_same_table(table, tmp_path):
    options = {"episodes": 4, "batch": 2}
    one = play(table, output=tmp_path / "one.parquet", **options)
    assert ak.array_equal(one, play(table, workers=2, output=tmp_path / "two.parquet", **options))


def test_columns_of_all_spaces():
    from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple
    from gymnasium.vector.utils import batch_space

    space = Dict(
        {
            "box": Box(0, 1, (2,)),
            "image": Box(0, 1, (2, 3)),
            "one": Box(0, 1, (1,)),
            "reward": Discrete(3),
            "many": MultiDiscrete([2, 3]),
            "pair": Tuple((MultiBinary(2), Discrete(2))),
        }
    )
    check_space(space, "observation")
    found = observation_columns(space, batch_space(space, 5).sample())
    assert {name: values.shape for name, values in found.items()} == {
        "box_0": (5,), "box_1": (5,), "image": (5, 2, 3), "one": (5,), "many_0": (5,),
        "many_1": (5,), "pair_0_0": (5,), "pair_0_1": (5,), "pair_1": (5,),
        "observation_reward": (5,),
    }  # fmt: skip
    assert set(action_columns(space["box"], np.ones((5, 2)))) == {"action_0", "action_1"}
    with pytest.raises(StudyError, match="is a space 'Text', which a table cannot have"):
        check_space(Dict({"text": Text(3)}), "observation")


class Failing(gymnasium.Env):
    """An environment that raises in its third step, with a number in its info."""

    observation_space = gymnasium.spaces.Discrete(3)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return 0, {}

    def step(self, action):
        self.steps += 1
        if self.steps == 3:
            raise ValueError("no beam")
        return self.steps, 0.5, False, False, {"height": 2 * self.steps, "name": "x"}


OWN = '''
import gymnasium

class Walk(gymnasium.Env):
    """Steps to the right."""
    def __init__(self, *, length: int = 3):
        self.length = length
        self.observation_space = gymnasium.spaces.Discrete(length + 1)
        self.action_space = gymnasium.spaces.Discrete(2)
    def reset(self, *, seed=None, options=None):
        self.place = 0
        return 0, {}
    def step(self, action):
        self.place += int(action)
        if self.place > self.length:
            raise RuntimeError("too far")
        return self.place, 1.0, self.place == self.length, False, {}
'''


def test_an_environment_in_a_file_of_the_user(tmp_path):
    path = tmp_path / "walk.py"
    path.write_text(OWN)
    given = {"name": f"{path}:Walk", "length": 2}
    found = read(rollout(given, {"name": "fixed", "action": 1}, steps=9, episodes=2))
    assert found.terminated.tolist() == [False, True] * 2
    assert found.observation.tolist() == [0, 1] * 2
    with pytest.raises(StudyError, match="no limit of steps; give 'steps'"):
        rollout(given, "random")


def test_the_numbers_of_info_are_columns():
    found = read(rollout(Failing, "random", steps=2, episodes=2))
    assert found.height.tolist() == [2, 4] * 2
    assert "name" not in found.fields


@pytest.mark.parametrize(
    ("environment", "policy", "text"),
    [
        ({"name": "gymnasium", "id": "CartPol-v1"}, "random", "did you mean 'CartPole-v1'"),
        ({"name": "gymnasium", "id": "nowhere:X-v0"}, "random", "no environment with the id"),
        ({"name": "cart"}, "random", "there is no environment named 'cart'"),
        ({"id": "CartPole-v1"}, "random", "environment needs a 'name'"),
        ({"name": "gymnasium", "id": "CartPole-v1"}, "randon", "did you mean 'random'"),
        ({"name": "gymnasium", "id": "CartPole-v1"}, "threshold", "with the field 'last_rate'"),
        (
            {"name": "gymnasium", "id": "CartPole-v1"},
            {"name": "fixed", "action": 2},
            "is outside of the action space Discrete(2)",
        ),
        (STREAM | {"name": "event_stream"}, "random", "plays the rows of a table; give one"),
        (Failing, "random", "failed at step 2 of episode 0: ValueError: no beam"),
    ],
)
def test_messages(environment, policy, text):
    with pytest.raises(StudyError) as error:
        rollout(environment, policy, steps=5)
    assert text in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("environment", "policy", "text"),
    [
        ({"budget": 200.0}, "fixed", "budget 200 kHz is not below input_rate 100 kHz"),
        ({}, {"name": "threshold", "budget": 500}, "policy 'threshold': budget 500 kHz"),
        ({"budget": -1}, "fixed", "environment.budget: must be above 0, got -1"),
        ({}, "prescale", "with the field 'threshold'"),
        ({"signal": "label == 7"}, "fixed", "'label == 7' must be true for some rows"),
        ({"scores": ["log(score)"]}, "fixed", "is not finite at entry"),
        ({"scores": ["scor"]}, "fixed", "did you mean 'score'"),
        ({"tails": [0.1]}, "fixed", "give two 'tails' or more"),
    ],
)
def test_messages_of_the_event_stream(environment, policy, text, table):
    with pytest.raises(UserError) as error:
        play(table, policy, environment)
    assert text in str(error.value)
    assert len(str(error.value)) < 400


def test_an_action_outside_of_the_space(table):
    from bunchtrain.policies._policy import Policy

    class Wrong(Policy):
        name = "wrong"

        def act(self, observation, info):
            return np.full((1, 1), 1e6, np.float32)

    with pytest.raises(StudyError, match=r"policy 'wrong' gave .* outside of the action space Box"):
        play(table, Wrong())


def test_without_gymnasium(monkeypatch, table):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(MissingDependency, match=r"pip install 'bunchtrain\[environments\]'"):
        play(table)


def test_a_batch_has_the_interface_of_gymnasium(table):
    env = vector_env(make("event_stream", table), 3)
    assert isinstance(env, gymnasium.vector.VectorEnv)
    observation, _ = env.reset(seed=1)
    assert env.observation_space.contains(observation)
    observation, reward, *_ = env.step(env.action_space.sample())
    assert env.observation_space.contains(observation)
    assert reward.shape == (3,)
