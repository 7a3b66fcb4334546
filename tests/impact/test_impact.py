"""A network on the cells of a profile, against scikit-learn, NumPy and the published laws themselves."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import kstest, ttest_ind
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.errors import BadInput, MissingTool
from nvmphys.exporters import crosssim
from nvmphys.impact import PAIRS, PARTS, SLICES, CellMapping, Wires, digits_network, isolated, network_impact
from nvmphys.impact.cells import Mapped, PairErrors
from nvmphys.impact.network import TEST_SHARE, WEIGHT_DECAY
from nvmphys.impact.significance import holm, welch
from nvmphys.impact.study import BAND, with_other_devices
from nvmphys.impact.through import accuracy_through, compare_through
from nvmphys.profile import Replicates

HIDDEN = 8
HOUR = 3600.0
RNG = 3


@pytest.fixture(scope="module")
def network():
    return digits_network(HIDDEN)


@pytest.fixture(scope="module")
def pcm():
    return nv.build_profile(nv.load_card("pcm_90nm"), [0.0, 5e-6, 15e-6, 25e-6], [20.0, HOUR], replicates=0, rng=1)


@pytest.fixture(scope="module")
def rram():
    targets = np.linspace(0.625e-6, 39.375e-6, 4)
    return nv.build_profile(nv.load_card("rram_1t1r_relaxation"), targets, [0.0, 1.0, 1e4], replicates=3, rng=1)


def with_tables(profile, **tables):
    return replace(profile, tables=replace(profile.tables, **tables))


def gaussian(profile, sigma_S):
    """Return a profile whose programming error is one Gaussian for all targets, far above 0, and stays."""
    targets, scores = profile.tables.target_S + 60e-6, ndtri(profile.tables.probability)
    still = isolated(profile, ["programming"])
    return with_tables(still, target_S=targets, level_S=targets, programmed_S=targets[:, None] + sigma_S * scores)


def sliced_by_hand(weights):
    """Return a layer rounded to 6 bits and a sign."""
    top = np.abs(weights).max()
    return np.sign(weights) * np.round(np.abs(weights) / top * 63) / 63 * top


def test_without_variation_the_accuracy_is_that_of_scikit_learn(pcm, network):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    pixels, labels = load_digits(return_X_y=True)
    split = train_test_split(pixels / 16, labels, test_size=TEST_SHARE, random_state=0, stratify=labels)
    peer = MLPClassifier((HIDDEN,), solver="lbfgs", alpha=WEIGHT_DECAY, max_iter=5000, random_state=0)
    score = peer.fit(split[0], split[2]).score(split[1], split[3])
    found = network_impact(
        isolated(pcm, []), network, mappings=[PAIRS], draws=2, wires=Wires(0.0), compensate=True, rng=RNG
    )
    assert found.baseline == pytest.approx(score, abs=1e-12)
    assert np.all(found.draws["accuracy"] == found.baseline)
    assert np.all(found.budget["loss"] == 0)
    assert not found.budget["known"][found.budget["part"].isin(PARTS)].any()
    assert found.misleads is False


def test_errors_put_in_by_hand_come_out_as_numpy_multiplies_them(network):
    rng, low, high = np.random.default_rng(1), 2e-6, 20e-6
    weights, x = network.weights[0], network.inputs
    cells = PAIRS.targets(weights, (low, high)) * rng.lognormal(0, 0.2, (1, *weights.shape, 2))
    currents = x @ cells[0, :, :, 0] - x @ cells[0, :, :, 1]
    seen = PAIRS.weights(cells[..., 0] - cells[..., 1], np.abs(weights).max(), (low, high))
    np.testing.assert_allclose(x @ seen, currents * np.abs(weights).max() / (high - low), atol=1e-12)


def test_bit_slices_carry_weights_rounded_to_six_bits(network):
    for weights in network.weights:
        cells = SLICES.targets(weights, (1e-6, 7e-6))
        assert np.unique(np.round(cells * 1e6, 9)).tolist() == [1.0, 3.0, 5.0, 7.0]
        back = SLICES.weights(cells[..., 0] - cells[..., 1], np.abs(weights).max(), (1e-6, 7e-6))
        np.testing.assert_allclose(back, sliced_by_hand(weights), atol=1e-12)


def test_a_slice_that_errs_changes_the_weight_by_its_place():
    cells = SLICES.targets(np.array([[1.0]]), (0.0, 3e-6))
    difference = cells[..., 0] - cells[..., 1]
    for place, worth in enumerate((1, 4, 16)):
        wrong = difference.copy()
        wrong[place] -= 1e-6
        assert SLICES.weights(wrong, 1.0, (0.0, 3e-6))[0, 0] == pytest.approx(1 - worth / 63)


@pytest.mark.parametrize("wrong", [(None, 2), (1, 2), (4, 0), (4, 13)])
def test_a_mapping_that_is_none_is_refused(wrong):
    with pytest.raises(BadInput, match="slices must be one of any conductance"):
        CellMapping("wrong", *wrong)


def test_programming_alone_has_the_published_sigma_and_stays(pcm):
    cells = isolated(pcm, ["programming"]).sample(np.full(40_000, 15e-6), [20.0, HOUR], RNG)
    # Nandakumar et al., ICECS (2020): -1.1731 (G/25)^2 + 1.9650 G/25 + 0.2635 in µS
    assert cells[0].std() == pytest.approx((-1.1731 * 0.6**2 + 1.9650 * 0.6 + 0.2635) * 1e-6, rel=0.015)
    assert np.array_equal(cells[0], cells[1])


def test_change_alone_is_the_laws_change_of_a_cell_at_its_target(rram):
    target, n = float(rram.tables.target_S[2]), 4000
    cells = isolated(rram, ["change"]).sample(np.full(n, target), [0.0, 1e4], RNG)
    assert np.allclose(cells[0], target, rtol=1e-12)
    law, z = nv.law_of(nv.load_card("rram_1t1r_relaxation")), np.random.default_rng(5).standard_normal(n)
    drawn = law.coordinate.moved(np.full(n, target), law.change(np.full(n, target), 1e4, z))
    assert kstest(cells[1], drawn).pvalue > 1e-4


def test_read_noise_alone_has_the_published_sigma(pcm):
    alone = isolated(pcm, ["read noise"])
    reads = alone.sampler(RNG).draw(np.full(40_000, 15e-6), [HOUR], read_noise="marginal")[0]
    assert reads.mean() == pytest.approx(15e-6, rel=0.002)
    assert reads.std() == pytest.approx(pcm.relative_read_noise(HOUR)[2] * 15e-6, rel=0.015)


def test_other_populations_alone_come_in_their_share(rram):
    extra = rram.extras["over_set"]
    cells = isolated(rram, ["other populations"]).sample(np.full(100_000, 10e-6), [0.0, 1e4], RNG)
    astray = np.abs(cells - 10e-6) > 1e-12
    assert np.array_equal(astray[0], astray[1])
    assert abs(astray[0].sum() - 1e5 * extra.weight) < 4 * np.sqrt(1e5 * extra.weight)
    assert cells[0][astray[0]].min() >= extra.quantiles_S.min()


def test_an_unknown_part_is_named(pcm):
    with pytest.raises(BadInput, match="did you mean wires"):
        isolated(pcm, ["wire"])


def test_a_part_that_the_profile_does_not_have_costs_nothing(rram, network):
    found = network_impact(rram, network, mappings=[PAIRS], draws=3, wires=Wires(0.0), rng=RNG)
    none = found.budget[~found.budget["known"]]
    assert set(none["part"]) == {"read noise", "wires"}
    assert np.all(none["loss"] == 0)
    has = found.budget[found.budget["known"] & (found.budget["time_s"] > 1)].set_index("part")["loss"]
    assert has["change"] > 0.01
    assert has["together"] > has["change"]


def test_one_gaussian_is_not_told_apart_from_itself_and_has_its_sigma(pcm, network):
    found = network_impact(gaussian(pcm, 3e-6), network, draws=60, wires=Wires(0.0), rng=RNG)
    # two cells a pair; the tables end at 1e-5 and 1 - 1e-5
    assert found.curves["gaussian_sigma_S"].to_numpy() == pytest.approx(np.sqrt(2) * 3e-6, rel=0.01)
    assert found.misleads is False
    assert "not told apart" in found.sentences[-1]
    assert found.curves["mean"].max() < found.baseline - 0.01


def test_cells_that_all_lose_a_share_are_told_apart_from_a_gaussian_of_equal_rms(pcm, network):
    clean = isolated(pcm, [])
    less = with_tables(clean, programmed_S=0.6 * clean.tables.programmed_S)
    found = network_impact(less, network, mappings=[PAIRS], draws=20, wires=Wires(0.0), rng=RNG)
    difference = np.concatenate([0.4 * Mapped.onto(network, PAIRS, pcm).layers[k].difference_S.ravel() for k in (0, 1)])
    assert found.curves["gaussian_sigma_S"].to_numpy() == pytest.approx(np.sqrt(np.mean(difference**2)), rel=1e-9)
    assert found.curves["systematic_share"].to_numpy() == pytest.approx(1.0)
    assert found.misleads is True
    assert (found.curves["p_holm"] < 1e-3).all()


def test_the_systematic_share_is_that_of_drift_without_spread(pcm, network):
    mapped = Mapped.onto(network, PAIRS, pcm)
    rng, errors = np.random.default_rng(1), PairErrors(mapped, 1)
    for _ in range(50):
        some = [layer.difference_S[None, None] for layer in mapped.layers]
        errors.add([each + 3e-6 + 1e-6 * rng.standard_normal((1, 8, *each.shape[2:])) for each in some])
    assert errors.rms_S[0] == pytest.approx(np.sqrt(10) * 1e-6, rel=1e-3)
    assert errors.systematic[0] == pytest.approx(0.9, abs=2e-3)


def test_a_drift_that_all_cells_share_is_compensated(pcm, network):
    shrink = np.full_like(pcm.tables.change, np.log(0.2))
    same = isolated(with_tables(pcm, change=shrink), ["change"])
    runs = [network_impact(same, network, mappings=[PAIRS], draws=2, wires=Wires(0.0), compensate=c, rng=RNG)
            for c in (False, True)]  # fmt: skip
    plain, compensated = (run.curves["mean"].iloc[-1] for run in runs)
    assert plain < compensated == runs[0].baseline


def test_other_devices_make_the_band_wider(pcm, network):
    tables, sigmas = pcm.tables, (1e-6, 5e-6, 9e-6)
    programmed = np.stack([gaussian(pcm, s).tables.programmed_S for s in sigmas])
    own = (np.zeros_like(tables.change), tables.quantiles_S, tables.mean_S, tables.sigma_S)
    change, quantiles, mean, sigma = (np.stack([table] * 3) for table in own)
    other = Replicates(programmed, change, quantiles, mean, sigma, nv.Basis.ASSUMED, "by hand")
    found = network_impact(
        replace(gaussian(pcm, 5e-6), replicates=other), network, mappings=[PAIRS], draws=40, wires=Wires(0.0), rng=RNG
    )
    rows = found.curves
    assert (rows["wide_low"] < rows["low"]).all()
    assert (rows["wide_high"] > rows["high"]).all()
    assert "3 replicates (assumed): by hand" in found.confidence
    assert set(found.draws["replicate"].dropna()) == {0, 1, 2}


def test_the_wider_band_holds_both_variances_and_no_chance():
    """Accuracies of known laws: σ 3 points over devices, and means of other devices that differ by 4 points, or not."""
    rng, times, draws, count, few = np.random.default_rng(4), 400, 100, 20, 10
    cells = 0.7 + 0.03 * rng.standard_normal((times, draws))
    for apart in (0.0, 0.04):
        means = 0.7 + apart * rng.standard_normal((times, count))
        replicates = [means[:, [k]] + 0.03 * rng.standard_normal((times, few)) for k in range(count)]
        total = with_other_devices(cells, replicates)
        wanted = np.hypot(0.03, apart)
        # of a variance between of nothing, what chance leaves above zero is kept: half of 2(s²/n)√(2/R)/√(2π)
        assert np.sqrt(total.var(axis=1).mean()) == pytest.approx(wanted, rel=0.03)
        assert total.mean() == pytest.approx(cells.mean(), abs=1e-3)
        ends = [np.quantile(each, BAND, axis=1) for each in (cells, total)]
        assert np.mean(ends[1][1] - ends[0][1]) > -1e-4, "narrower at the top"
        assert np.mean(ends[0][0] - ends[1][0]) > -1e-4, "narrower at the bottom"


def test_replicates_that_are_the_profile_itself_add_next_to_nothing(pcm, network):
    t = gaussian(pcm, 5e-6).tables
    own = (t.programmed_S, np.zeros_like(t.change), t.quantiles_S, t.mean_S, t.sigma_S)
    same = Replicates(*(np.stack([table] * 4) for table in own), nv.Basis.ASSUMED, "the same devices")
    rows = network_impact(
        replace(gaussian(pcm, 5e-6), replicates=same), network, mappings=[PAIRS], draws=40, wires=Wires(0.0), rng=RNG
    ).curves
    # a step is one of 599 images
    assert ((rows["wide_high"] - rows["high"]) > -1 / 599).all()
    assert ((rows["low"] - rows["wide_low"]) > -1 / 599).all()
    assert ((rows["wide_high"] - rows["wide_low"]) < 1.3 * (rows["high"] - rows["low"])).all()


def test_the_verdict_says_what_all_draws_have_in_common_and_how_to_take_it_off(pcm, network):
    shrink = np.full_like(pcm.tables.change, np.log(0.5))
    same = isolated(with_tables(pcm, change=shrink), ["programming", "change"])
    found = network_impact(same, network, mappings=[PAIRS], draws=12, wires=Wires(0.0), rng=RNG)
    share = found.curves["systematic_share"].iloc[-1]
    assert share > 0.5
    assert f"{share:.0%} of the mean square of the error there is the same in every draw" in found.sentences[-1]
    assert "--compensate" in found.sentences[-1]


def test_resistances_that_are_none_are_refused_at_once(pcm, tmp_path):
    nv.save_profile(pcm, tmp_path / "P.h5")
    with pytest.raises(BadInput, match=r"wire resistance must be finite and >= 0 ohm \(got -1 ohm\)"):
        Wires(-1.0)
    with pytest.raises(BadInput, match="wire resistance"):
        CliRunner().invoke(app, ["impact", str(tmp_path / "P.h5"), "--wire", "-1"], catch_exceptions=False)
    with pytest.raises(BadInput, match="sense resistance"):
        Wires(1.0, sense_ohm=np.inf)


def test_wires_take_their_share_of_a_line_driven_from_its_end():
    cells = np.zeros((1, 1, 2, 2))
    cells[0, 0, 0] = 1e-3, 0.5e-3
    # both on one word line: 100 ohm, then 1 kohm + 100 ohm beside 100 ohm + 2 kohm + 100 ohm
    beside = 1 / (1 / 1100 + 1 / 2200)
    node = beside / (100 + beside)
    assert Wires(100.0).difference(cells)[0, 0, 0] == pytest.approx(node / 1100 - node / 2200, rel=1e-9)
    assert np.array_equal(Wires(0.0).difference(cells)[0, 0], [0.5e-3, 0.0])


def test_reads_through_wires_are_the_same_cells_with_noise_on_top(pcm, network):
    mapped, times = Mapped.onto(network, PAIRS, pcm), np.array([HOUR])
    kinds = [(Wires(0.0), True), (Wires(1e-6), True), (Wires(0.0), False)]
    ideal, wired, quiet = (next(mapped.draws(pcm.sampler(7), times, 2, *kind))[0] for kind in kinds)
    np.testing.assert_allclose(wired, ideal, atol=1e-12)
    assert np.abs(ideal - quiet).max() > 1e-7


def test_aihwkit_classifies_as_well_with_the_same_profile(pcm, network, aihwkit_python, monkeypatch):
    monkeypatch.setenv("NVMPHYS_AIHWKIT_PYTHON", str(aihwkit_python))
    found = network_impact(pcm, network, mappings=[PAIRS], draws=60, wires=Wires(0.0), rng=RNG)
    table = compare_through("aihwkit", pcm, network, found, draws=12, seed=RNG)
    assert table["time_s"].tolist() == [20.0, HOUR]
    assert (table["p"] > 1e-4).all()  # |z| <= 4
    assert table["mean"].iloc[0] > table["mean"].iloc[1]


def test_crosssim_classifies_as_well_with_the_same_profile(pcm, network):
    if crosssim.TOOL.python() is None:
        pytest.skip(f"{crosssim.VARIABLE} is not set: it names the folder of CrossSim 3")
    for compensate in (False, True):
        found = network_impact(
            pcm, network, mappings=[PAIRS], draws=60, wires=Wires(0.0), compensate=compensate, rng=RNG
        )
        table = compare_through("crosssim", pcm, network, found, draws=16, seed=RNG)
        assert (table["p"] > 1e-4).all()  # |z| <= 4
        assert (table["low"] < table["high"]).all(), "every draw has the same cells"
    exact = accuracy_through("crosssim", isolated(pcm, []), network, np.array([20.0, HOUR]), draws=1, seed=1)
    assert np.all(exact == network.baseline)


def test_a_consumer_that_is_not_here_says_how_to_get_it(pcm, network, monkeypatch):
    monkeypatch.setenv("NVMPHYS_CROSSSIM", "/nowhere")
    with pytest.raises(MissingTool, match="CrossSim was not found: set NVMPHYS_CROSSSIM to a checkout"):
        accuracy_through("crosssim", pcm, network, np.array([20.0]), draws=2, seed=1)
    with pytest.raises(BadInput, match="unknown consumer that runs networks"):
        accuracy_through("neurosim", pcm, network, np.array([20.0]), draws=2, seed=1)


def test_welch_is_scipys_and_samples_without_spread_are_the_same_or_not():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.9, 0.02, 100), rng.normal(0.91, 0.05, 60)
    found, peer = welch(a, b), ttest_ind(a, b, equal_var=False)
    interval = peer.confidence_interval(0.95)
    assert (found.p, found.low, found.high) == pytest.approx((peer.pvalue, interval.low, interval.high), rel=1e-9)
    assert welch(np.full(5, 0.9), np.full(5, 0.9)).p == 1
    assert welch(np.full(5, 0.9), np.full(5, 0.8)).p == 0


def test_holm_steps_down_through_the_published_order():
    assert holm([0.04, 0.001, 0.02, 0.5]) == pytest.approx([0.08, 0.004, 0.06, 0.5])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]


def test_the_same_seed_gives_the_same_study(rram, network):
    first, second = (network_impact(rram, network, mappings=[PAIRS], draws=3, rng=9) for _ in range(2))
    assert first.draws.equals(second.draws)
    assert first.budget.equals(second.budget)


def test_what_cannot_be_studied_is_refused(pcm, network):
    with pytest.raises(BadInput, match=r"draws must be >= 2 \(got 1\)"):
        network_impact(pcm, network, draws=1, rng=1)
    with pytest.raises(BadInput, match=r"time must be <= 3600 s.*build the profile with later times") as error:
        network_impact(pcm, network, times=[1e6], draws=2, rng=1)
    assert "extrapolate" not in str(error.value), "it takes no such thing"
    single = nv.build_profile(nv.load_card("pcm_90nm"), [5e-6], [20.0], replicates=0, rng=1)
    with pytest.raises(BadInput, match="has one target"):
        network_impact(single, network, draws=2, rng=1)


def test_without_scikit_learn_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingTool, match=r"pip install 'nvmphys\[impact\]'") as error:
        digits_network()
    assert error.value.exit_code == 3


def test_the_command_writes_tables_and_picture_and_says_its_conclusion(pcm, tmp_path):
    nv.save_profile(pcm, tmp_path / "P.h5")
    asked = ["impact", str(tmp_path / "P.h5"), "-o", str(tmp_path / "out"), "--draws", "2", "--wire", "0", "--json"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert [row["time_s"] for row in said["curves"]] == [20.0, HOUR] * 2
    assert {row["part"] for row in said["budget"]} == {*PARTS, "together"}
    assert "no wider band: pcm_90nm has no replicates" in " ".join(said["said"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "accuracy.csv", "budget.csv", "draws.csv", "impact.png",
    ]  # fmt: skip
