import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bunchtrain.deployment.circuits.ports import Port

formats = st.lists(
    st.tuples(st.integers(0, 1), st.integers(-2, 5), st.integers(-2, 6)), min_size=1, max_size=9
).filter(lambda several: any(sum(one) > 0 for one in several))


@given(formats, st.integers(0, 1000))
def test_numbers_come_back_from_the_words_that_carry_them(several, seed):
    several = tuple(one if sum(one) > 0 else (0, 0, 0) for one in several)
    port = Port(tuple(map(str, several)), several)
    k, i, f = np.array(several).T
    random = np.random.default_rng(seed)
    codes = random.integers(-k * 2 ** np.maximum(i + f, 0), 2 ** np.maximum(i + f, 0), (20, len(k)))
    codes = np.where(k + i + f > 0, codes, 0)
    values = codes / np.exp2(f)
    assert not port.count_overflows(values).any()
    np.testing.assert_array_equal(port.values(port.words(values)), values)


def test_a_word_has_the_first_number_lowest():
    port = Port(("a", "b"), ((0, 3, 0), (1, 2, 1)))
    assert port.slices == ["[2:0]", "[6:3]"]
    assert port.words(np.array([[5.0, -0.5]])) == [f"{(0b1111 << 3) | 5:02x}"]


def test_numbers_beyond_a_format_are_counted():
    port = Port(("a", "b"), ((0, 3, 0), (1, 2, 1)))
    assert port.count_overflows(np.array([[8.0, -4.0], [-1.0, 4.0], [7.0, 3.5]])).tolist() == [2, 1]
