"""Shifts of columns: by value, reproducible, and before anything is defined from them."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain import parts
from bunchtrain.errors import DataError, ExpressionError, StudyError
from bunchtrain.systematics._momenta import jet_momenta
from bunchtrain.systematics._shifted_source import ShiftedSource
from bunchtrain.systematics._systematic import describe_shift
from bunchtrain.systematics.constituent_efficiency import ConstituentEfficiency
from bunchtrain.systematics.expression_shift import ExpressionShift
from bunchtrain.systematics.jet_energy_resolution import JetEnergyResolution
from bunchtrain.systematics.jet_energy_scale import JetEnergyScale
from bunchtrain.systematics.leading_constituent_scale import LeadingConstituentScale
from bunchtrain.tables.table import Table

EVENTS = 4000


class Jets(Table):
    """Jets with constituents, read in chunks."""

    def __init__(self) -> None:
        random = np.random.default_rng(1)
        sizes = random.integers(0, 6, EVENTS)
        flat = random.exponential(10, (2, sizes.sum()))
        self.events = ak.zip(
            {
                "jet_pt": random.uniform(100, 200, EVENTS),
                "jet_eta": random.normal(size=EVENTS),
                "truth_pt": random.uniform(100, 200, EVENTS),
                "constituent_px": ak.unflatten(flat[0], sizes),
                "constituent_energy": ak.unflatten(flat[1], sizes),
                "label": np.arange(EVENTS) % 2,
            },
            depth_limit=1,
        )

    def fingerprint(self) -> str:
        return "jets"

    def fields(self):
        return {name: str(self.events[name].type.content) for name in self.events.fields}

    def blocks(self, columns, rows):
        for start in range(0, EVENTS, rows):
            yield self.events[start : start + rows][list(columns)]


def shifted(systematic, amount, rows=1000, columns=None):
    source = Jets()
    chunks = ShiftedSource(source, systematic, amount).blocks(columns or source.events.fields, rows)
    return source.events, ak.concatenate(list(chunks))


def particles(events):
    columns = (ak.flatten(events[f"constituent_{name}"]).tolist() for name in ("px", "energy"))
    return set(zip(*columns, strict=True))


def test_scale_multiplies_momenta_and_leaves_angles_and_truth():
    before, after = shifted(JetEnergyScale(), 0.02)
    for name in ("jet_pt", "constituent_px", "constituent_energy"):
        assert ak.almost_equal(after[name], before[name] * 1.02, rtol=1e-6)
    for name in ("jet_eta", "truth_pt", "label"):
        assert ak.array_equal(after[name], before[name])


def test_scale_of_named_columns_only():
    before, after = shifted(JetEnergyScale(columns=["jet_pt"]), -0.05)
    assert ak.almost_equal(after.jet_pt, before.jet_pt * 0.95, rtol=1e-6)
    assert ak.array_equal(after.constituent_px, before.constituent_px)


def test_only_the_hardest_constituent_is_scaled_and_the_jet_is_not():
    source = Jets()
    source.events["constituent_py"] = source.events.constituent_px * 0
    effect = LeadingConstituentScale()
    shift = ShiftedSource(source, effect, -0.5).blocks(["constituent_energy", "jet_pt"], 1000)
    after, before = ak.concatenate(list(shift)), source.events
    filled = ak.num(before.constituent_px) > 0
    hardest = ak.argmax(before.constituent_px, axis=1, keepdims=True)[filled]
    ratio = (after.constituent_energy / before.constituent_energy)[filled]
    assert np.allclose(ak.to_numpy(ak.flatten(ratio[hardest])), 0.5)
    assert ak.sum(ak.sum(ratio != 1, axis=1) != 1) == 0
    assert ak.array_equal(after.jet_pt, before.jet_pt)


def test_the_hardest_constituent_of_another_layout_is_scaled():
    names = {"px": "p_fP_fX", "py": "p_fP_fY", "pz": "p_fP_fZ", "energy": "p_fE"}
    flat = {"px": [[3.0, 1.0]], "py": [[4.0, 0.0]], "pz": [[1.0, 9.0]], "energy": [[6.0, 10.0]]}
    events = ak.Array({names[axis]: values for axis, values in flat.items()})
    effect = LeadingConstituentScale(group="p")
    assert effect.required_columns(["p_fE"], dict.fromkeys(events.fields, "")) == {
        "p_fP_fX",
        "p_fP_fY",
    }
    found = effect(events, np.arange(1), 1.0)
    assert {name: found[names[name]].tolist() for name in names} == {
        "px": [[6, 1]], "py": [[8, 0]], "pz": [[2, 9]], "energy": [[12, 10]],
    }  # fmt: skip


def test_a_missing_group_is_reported_with_the_nearest_column():
    with pytest.raises(DataError, match="did you mean 'constituent_px'"):
        LeadingConstituentScale(group="constituents").required_columns([], Jets().fields())


def test_resolution_smears_by_its_size_and_is_mirrored():
    systematic = JetEnergyResolution(columns=["jet_pt"])
    before, up = shifted(systematic, 0.1)
    _, down = shifted(systematic, -0.1)
    change = ak.to_numpy(up.jet_pt / before.jet_pt) - 1
    assert change.std() == pytest.approx(0.1, rel=0.05)
    assert change.mean() == pytest.approx(0, abs=0.006)
    assert ak.to_numpy(down.jet_pt / before.jet_pt) - 1 == pytest.approx(-change, abs=1e-5)


def test_loss_drops_the_same_items_of_all_columns():
    before, after = shifted(ConstituentEfficiency(), 0.3)
    kept = ak.sum(ak.num(after.constituent_px)) / ak.sum(ak.num(before.constituent_px))
    assert kept == pytest.approx(0.7, abs=0.02)
    assert ak.array_equal(ak.num(after.constituent_px), ak.num(after.constituent_energy))
    assert particles(after) < particles(before)
    assert ak.array_equal(after.jet_pt, before.jet_pt)


@pytest.mark.parametrize("systematic", [JetEnergyResolution(), ConstituentEfficiency()])
def test_random_shifts_do_not_depend_on_the_chunks(systematic):
    _, one = shifted(systematic, 0.1, rows=1000)
    _, other = shifted(systematic, 0.1, rows=333)
    assert ak.array_equal(one, other)


def test_expressions_read_the_columns_that_they_need():
    systematic = ExpressionShift(columns={"jet_pt": "jet_pt * (1 + shift * abs(jet_eta))"})
    before, after = shifted(systematic, 0.5, columns=["jet_pt", "label"])
    assert ak.almost_equal(after.jet_pt, before.jet_pt * (1 + 0.5 * abs(before.jet_eta)))
    assert after.fields == ["jet_pt", "label"]


def test_an_expression_without_shift_is_the_value_at_one_standard_deviation():
    effect = ExpressionShift(columns={"jet_pt": "jet_pt * 1.02 + 3"})
    before, up = shifted(effect, 1.0)
    _, down = shifted(effect, -1.0)
    assert ak.almost_equal(up.jet_pt, before.jet_pt * 1.02 + 3)
    assert ak.almost_equal(down.jet_pt, before.jet_pt * 0.98 - 3)


OF_JETS = (
    *("jet_pt", "jetPt", "Jet.PT", "pT_jet1", "jet_1_pt", "HT", "MET_sumEt", "m_jj", "mjj", "E"),
    *("jet1_fP_fX", "jet1_fP_fE", "constituent_energy", "fatjet_msoftdrop", "pt", "mass", "sumPt"),
)
OTHERS = (
    *("n_e", "nJet", "met", "MET_pt", "missing_energy_magnitude", "e_pt", "mu_pt", "lepton_pT"),
    *("AnalysisElectronsAuxDyn.pt", "truth_pt", "GenJet_pt", "pt_ratio", "jet_ptD", "jet_eta"),
    *("isPrompt", "Jet_btagDeepB", "photon_E", "m_lv", "label", "jet_n_constituents"),
)


def test_effects_on_jets_change_their_momenta_and_no_other_column():
    assert jet_momenta([*OF_JETS, *OTHERS], None) == list(OF_JETS)
    assert jet_momenta(OTHERS, ["met"]) == ["met"]


def test_changed_columns_are_listed():
    source = ShiftedSource(Jets(), JetEnergyScale(), 0.02)
    list(source.blocks(["jet_pt", "truth_pt", "jet_eta"], 1000))
    assert source.changed == {"jet_pt"}
    columns = {"changed": ["jet_pt"], "unchanged": ["jet_eta", "truth_pt"], "inputs": ["jet_pt"]}
    text = describe_shift("jes", source.systematic, columns)
    assert text == "jes: scaled: jet_pt; not scaled: jet_eta, truth_pt"
    assert "no input of a model" in describe_shift(
        "jes", source.systematic, columns | {"inputs": []}
    )


@pytest.mark.parametrize("effect", [JetEnergyScale, JetEnergyResolution])
def test_a_named_column_that_the_source_does_not_have_raises(effect):
    with pytest.raises(StudyError, match="no column 'jet_ptt'; did you mean 'jet_pt'"):
        shifted(effect(columns=["jet_ptt"]), 0.02)


def test_an_invalid_expression_raises_at_construction():
    with pytest.raises(ExpressionError, match="import"):
        ExpressionShift(columns={"jet_pt": "__import__('os')"})


def test_amount_and_options_change_the_fingerprint():
    makers = [
        ShiftedSource(Jets(), JetEnergyScale(), 0.02),
        ShiftedSource(Jets(), JetEnergyScale(), 0.03),
        ShiftedSource(Jets(), JetEnergyScale(columns=["jet_pt"]), 0.02),
        ShiftedSource(Jets(), JetEnergyResolution(), 0.02),
    ]
    assert len({maker.fingerprint() for maker in makers}) == 4
    effect = "JetEnergyScale [('columns', 'None'), ('size', '0.02')] 0.02"
    assert makers[0].fingerprint() == f"{Jets().fingerprint()} {effect}"


def test_effects_are_parts():
    made = parts.build("systematic", "jet_energy_scale", {"size": 0.03})
    assert made.size == 0.03
