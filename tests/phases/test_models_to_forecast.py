"""Selection, validation and the ensemble: active models, their reliability, and the forecast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.decision import FeatureMatrix, ModelSelection
from engine.domain.state import State
from engine.evidence import conformal, scoring
from engine.phases import ensemble, selection, validation
from tests.makers import Moment, changed, decided, having, moment
from tests.sabotage import model_that


def chosen(at: Moment, state: State | None = None) -> ModelSelection:
    return selection.select_models(decided(at).market_state, at.state if state is None else state, at.catalog)


def with_losses(at: Moment, first: list[float]) -> State:
    """A state in which the loss of each model was constant over many ticks; further models have the last loss given."""
    losses = first + first[-1:] * (len(at.catalog.names) - len(first))
    ticks = 5_000.0
    now = selection.market_conditions(decided(at).market_state)
    square = np.outer(now, now) * ticks
    return replace(at.state, conditions=np.stack([np.concatenate((square, (now * loss * ticks)[:, None]), axis=1) for loss in losses]))


def proven(state: State) -> State:
    """Leaving models out has paid beyond doubt."""
    gained = having(state.selection_gain.gain, power=1e4, gain=1e4, blocks=1e4, rows=1e4, block_squared=1.0)
    return replace(state, selection_gain=replace(state.selection_gain, gain=gained))


def test_the_conditions_a_loss_may_depend_on() -> None:
    """A constant, stress, the mean size of the trends, 5 at most, and correlation."""
    market_state = replace(decided(moment()).market_state, stress=0.25, correlation=0.4, trend=np.array([1.0, -2.0, 0.0, 4.0, 0.0, 0.0, 0.0, -3.0]))
    assert selection.market_conditions(market_state).tolist() == [1.0, 0.25, 1.25, 0.4]
    assert selection.market_conditions(replace(market_state, trend=np.full(8, -6.0))).tolist() == [1.0, 0.25, 5.0, 0.4]


def test_a_model_that_does_worse_than_nothing_in_these_conditions_is_not_active_once_that_is_proved_to_pay() -> None:
    result = chosen(moment(), proven(with_losses(moment(), [0.10, -0.05, 0.0, 0.0])))
    assert result.active.tolist() == result.preferred.tolist() == [False] + [True] * (len(result.models) - 1)
    assert result.expected_loss[0] > 1.0
    assert result.expected_loss[1] < 1.0


def test_until_leaving_models_out_is_proved_to_pay_all_are_active() -> None:
    result = chosen(moment(), with_losses(moment(), [0.10, -0.05, 0.0, 0.0]))
    assert result.active.all()
    assert result.preferred.tolist() == [False] + [True] * (len(result.models) - 1)


def test_the_best_two_of_bad_models_stay_active() -> None:
    active = chosen(moment(), proven(with_losses(moment(), [0.10, 0.05, 0.2, 0.3]))).active
    assert np.flatnonzero(active).tolist() == [0, 1]


def test_a_model_that_does_not_serve_is_not_active() -> None:
    at = moment()
    silent = replace(at, catalog=replace(at.catalog, serving=(None, *at.catalog.serving[1:])))
    result = chosen(silent)
    assert not result.active[0]
    assert np.isnan(result.expected_loss[0])
    predictions = decided(silent).predictions
    assert np.isnan(predictions.mean[0]).all()
    assert (predictions.reliability[0] == 0).all()
    assert predictions.versions[0] == ""


def test_where_one_model_does_not_serve_the_others_stay_active_as_before() -> None:
    at = moment()
    whole, less = (
        decided(replace(at, catalog=replace(at.catalog, serving=serving))) for serving in (at.catalog.serving, (None, *at.catalog.serving[1:]))
    )
    assert less.degraded == ()
    assert np.isnan(less.predictions.mean[0]).all()
    assert (less.predictions.reliability[0] == 0.0).all()
    assert less.predictions.versions[0] == ""
    np.testing.assert_array_equal(less.predictions.mean[1:], whole.predictions.mean[1:])
    np.testing.assert_array_equal(less.predictions.active_models, whole.predictions.active_models - (whole.predictions.reliability[0, 0] > 0))


def test_before_any_training_no_model_is_active() -> None:
    at = moment()
    outcome = decided(replace(at, catalog=replace(at.catalog, serving=(None,) * len(at.catalog.names))))
    assert not outcome.predictions.active_models.any()
    assert outcome.predictions.verdict == "unreliable"
    assert (outcome.forecast.mean == 0).all()
    assert outcome.degraded == ()


def test_agreement_is_the_trust_weighted_share_of_the_majority() -> None:
    outcome = decided(moment())
    mean, trust = outcome.predictions.mean, outcome.predictions.reliability
    up = np.where(mean > 0, trust, 0).sum(axis=0) / trust.sum(axis=0)
    np.testing.assert_allclose(outcome.predictions.agreement, np.maximum(up, 1 - up), rtol=1e-9)


def test_a_vote_far_from_the_others_is_trusted_by_half() -> None:
    at = moment()
    plain = decided(at).predictions
    mad = decided(model_that(at, lambda served, x: served.model.predict(served.fitted, x) + 50.0)).predictions
    halved, doubted_before = np.isclose(mad.reliability[0], plain.reliability[0] * 0.5), np.isclose(mad.reliability[0], plain.reliability[0])
    assert (halved | doubted_before).all()
    assert halved.mean() > 0.9


def matrix_of(at: Moment, share: float) -> FeatureMatrix:
    """The moment's features, with a share of them far outside the range of training."""
    values = decided(at).features.values.copy()
    values[:, : round(share * values.shape[1])] = 1e9
    return FeatureMatrix(at.catalog.columns, values, np.ones(8, dtype=bool))


@pytest.mark.parametrize(("share", "verdict"), [(0.0, "reliable"), (0.3, "warning"), (0.6, "unreliable"), (1.0, "unreliable")])
def test_features_outside_their_range_lower_trust_to_nothing(share: float, verdict: str) -> None:
    at = moment()
    quiet = replace(
        at,
        catalog=replace(
            at.catalog, serving=tuple(s and replace(s, feature_low=s.feature_low - 10, feature_high=s.feature_high + 10) for s in at.catalog.serving)
        ),
    )
    result = validation.cross_check_models(chosen(at), matrix_of(quiet, share), at.state, quiet.catalog)
    assert result.verdict == verdict
    np.testing.assert_allclose(result.out_of_distribution, round(share * len(at.catalog.columns)) / len(at.catalog.columns), atol=0.02)
    assert (result.reliability.max() == 0) == (verdict == "unreliable")
    assert (result.active_models.max() == 0) == (verdict == "unreliable")


def test_a_feature_at_its_bound_in_training_is_not_outside_by_rounding() -> None:
    """Training rows have single precision: the bound of a feature that is often 0.1 is the float32 next to it."""
    at = moment()
    ones = np.ones(len(at.catalog.columns))
    exact = replace(at.catalog, serving=tuple(s and replace(s, feature_low=-ones, feature_high=ones * np.float32(0.1)) for s in at.catalog.serving))
    for value, outside in ((0.1 - 1e-12, 0.0), (0.1 + 1e-10, 0.0), (0.1 + 1e-7, 1.0), (-1.0 - 1e-12, 0.0), (1e300, 1.0)):
        matrix = FeatureMatrix(at.catalog.columns, np.full((8, len(ones)), value), np.ones(8, dtype=bool))
        assert (validation.cross_check_models(chosen(at), matrix, at.state, exact).out_of_distribution == outside).all(), value


def test_blank_features_that_were_known_in_training_count_as_outside() -> None:
    at = moment()
    blank = FeatureMatrix(at.catalog.columns, np.full((8, len(at.catalog.columns)), np.nan), np.ones(8, dtype=bool))
    result = validation.cross_check_models(chosen(at), blank, at.state, at.catalog)
    assert result.verdict == "unreliable"
    assert (result.reliability == 0).all()


def relying(at: Moment, index: int, column: int) -> Moment:
    """The moment with one model that relies on one column alone, the others on none."""
    none = np.zeros(len(at.catalog.columns))
    alone = np.where(np.arange(len(none)) == column, 1.0, 0.0)
    return replace(
        at,
        catalog=replace(
            at.catalog, serving=tuple(s and replace(s, reliance=alone if m == index else none) for m, s in enumerate(at.catalog.serving))
        ),
    )


def test_a_model_is_not_active_for_a_symbol_whose_columns_it_relies_on_are_blank() -> None:
    at = relying(moment(), 1, 3)
    whole, everybody = decided(at).features, selection.select_all_models(decided(at).market_state, at.state, at.catalog)
    values = whole.values.copy()
    values[2, 3] = np.nan
    result = validation.cross_check_models(everybody, replace(whole, values=values), at.state, at.catalog)
    usual = validation.cross_check_models(everybody, whole, at.state, at.catalog)
    assert (usual.reliability[1] > 0).all()
    assert (result.reliability[1, :, 2] == 0).all()
    assert (np.delete(result.reliability[1], 2, axis=1) > 0).all()
    assert (np.delete(result.reliability, 1, axis=0) > 0).all()
    assert result.active_models.tolist() == [len(result.models) - (symbol == 2) for symbol in range(8)]


def test_no_model_is_active_for_a_symbol_whose_bar_is_stale() -> None:
    at = moment()
    stale = decided(changed(at, fresh=np.arange(8) != 5)).predictions
    assert (stale.reliability[:, :, 5] == 0).all()
    assert np.isnan(stale.mean[:, :, 5]).all()
    assert (np.delete(stale.active_models, 5) >= 1).all()
    assert stale.active_models[5] == 0


def test_confidence_is_a_votes_chance_by_its_models_record() -> None:
    at = moment()
    result = decided(at).predictions
    assert ((result.confidence >= 0.5) & (result.confidence < 1.0)).all()
    nothing = replace(at, state=replace(at.state, moment=-np.abs(at.state.moment)))
    assert (decided(nothing).predictions.confidence == 0.5).all()
    bolder = replace(at, state=replace(at.state, moment=np.abs(at.state.moment) * 2.0 + 1.0))
    assert (decided(bolder).predictions.confidence >= result.confidence).all()


@pytest.mark.parametrize("worth", [0.5, 1.0])
def test_confidence_comes_true(worth: float) -> None:
    """With predictions that keep their value, the share of right directions is the mean stated confidence."""
    at, draw = moment(), np.random.default_rng(4)
    many = len(at.catalog.names)
    votes = draw.normal(0, 0.4, (many, 3, 20_000))
    realised = worth * votes[:1] + draw.normal(size=(1, 3, 20_000))
    gram, target = np.einsum("mhs,nhs->hmn", votes, votes), np.einsum("mhs,hs->hm", votes, realised[0])
    state = replace(at.state, gram=gram, moment=target, weight_rows=np.full((3, many), 1e9))
    result = validation.vote_confidence(votes, state)[0]
    right = np.sign(votes[0]) == np.sign(realised[0])
    assert result.mean() == pytest.approx(right.mean(), abs=0.01)
    assert result[result > 0.65].mean() == pytest.approx(right[result > 0.65].mean(), abs=0.02)


def test_disagreement_is_the_trust_weighted_deviation_of_the_votes() -> None:
    result = decided(moment()).predictions
    share = result.reliability / result.reliability.sum(axis=0)
    centre = (share * result.mean).sum(axis=0)
    np.testing.assert_allclose(result.dispersion, np.sqrt((share * (result.mean - centre) ** 2).sum(axis=0)), rtol=1e-9)


def test_the_forecast_is_the_weighted_sum_of_trusted_votes() -> None:
    at = moment()
    outcome = decided(at)
    expected = np.einsum("mhs,mhs,mh->hs", outcome.predictions.mean, outcome.predictions.reliability, at.state.weights)
    np.testing.assert_allclose(outcome.forecast.mean, expected, rtol=1e-9, atol=1e-12)
    width = np.stack([at.state.intervals.half_width[:, regime, 1] for regime in outcome.market_state.regime], axis=1)
    width = width * conformal.scale_factors(at.state.intervals, outcome.forecast.volatility.scale_factor, outcome.forecast.scale)[:, :, 1]
    np.testing.assert_allclose(outcome.forecast.high - outcome.forecast.mean, width)
    scale = at.inputs.view.sigma * np.sqrt(np.array([[1.0], [3.0], [12.0]]))
    np.testing.assert_allclose(outcome.forecast.scale, scale)


def test_probability_leans_with_the_forecast_and_is_even_without_one() -> None:
    outcome = decided(moment())
    assert ((outcome.forecast.probability > 0.5) == (outcome.forecast.mean > 0)).all()
    nothing = ensemble.expect_nothing(outcome.predictions, outcome.market_state, moment().inputs, moment().state)
    assert (nothing.probability == 0.5).all()
    assert (nothing.mean == 0).all()


def test_a_bold_model_that_is_right_is_not_held_worse_than_nothing() -> None:
    """Its predictions are ten times too large: they lose as they are, and win once scaled."""
    draw, many = np.random.default_rng(7), 4_000
    signal = draw.normal(0, 0.1, (1, 1, many))
    realised = signal[0] + draw.normal(size=(1, many))
    at = moment()
    scored = scoring.score_forecasts(at.state.pending, at.inputs.config.horizons, at.inputs.view.log_close[:, -1])
    scored = replace(scored, mean=np.concatenate((10.0 * signal, signal)), target=realised, known=np.ones((2, 1, many), dtype=bool))
    bare, used = (scoring.sum_losses(scored, np.array([[worth]]), np.ones((1, 1)), (1,))[0, 0, 1] for worth in (1.0, 0.1))
    assert bare > 0.2
    assert used < 0.0


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7])
def test_the_median_of_predictions_is_numpys(count: int) -> None:
    votes = np.random.default_rng(count).normal(size=(count, 3, 5))
    np.testing.assert_array_equal(validation._median(votes), np.median(votes, axis=0))


@pytest.mark.parametrize(("last", "outlier"), [(0.84, False), (0.86, True), (-0.44, False), (-0.46, True)])
def test_a_prediction_six_deviations_from_the_median_of_three_active_models_is_an_outlier(last: float, outlier: bool) -> None:
    """Of 0.1, 0.2, 0.3 and the last one: a median of 0.25 or 0.15 and deviations whose median is 0.1."""
    votes, unknown = np.array([0.1, 0.2, 0.3, last])[:, None, None], np.zeros((4, 1))
    reliability = np.array([1.0, 1.0, 1.0, 0.0])[:, None, None]
    assert validation._outliers(votes, reliability, unknown).ravel().tolist() == [False, False, False, outlier]
    two = reliability * np.array([0.0, 1.0, 1.0, 1.0])[:, None, None]
    assert not validation._outliers(votes, two, unknown).any()
    still = np.array([0.2, 0.2, 0.2, 0.2059])[:, None, None]
    assert not validation._outliers(still, reliability, unknown).any()  # deviations below 0.001 count as that
    farther = still + np.array([0.0, 0.0, 0.0, 2e-4])[:, None, None]
    assert validation._outliers(farther, reliability, unknown).ravel().tolist() == [False, False, False, True]


@pytest.mark.parametrize(("size", "outlier"), [(0.0, True), (0.22, True), (0.23, False)])
def test_a_model_that_always_sees_more_than_the_others_is_no_outlier(size: float, outlier: bool) -> None:
    """0.9 is 4 times 0.225; the other three see nothing, and their deviations are far below 0.9."""
    votes, reliability = np.array([0.01, 0.0, -0.01, 0.9])[:, None, None], np.ones((4, 1, 1))
    sizes = np.array([0.01, 0.01, 0.01, size])[:, None]
    assert validation._outliers(votes, reliability, sizes).ravel().tolist() == [False, False, False, outlier]


@pytest.mark.parametrize(("rows", "size"), [(499.0, 0.0), (500.0, 0.2)])
def test_the_usual_size_of_a_models_forecasts_needs_500_rows(rows: float, size: float) -> None:
    """A sum of squares of 0.04 a row is a root mean square of 0.2."""
    state = moment().state
    many = len(state.models)
    gram = np.broadcast_to(np.eye(many) * 0.04 * rows, state.gram.shape)
    sizes = validation._usual_sizes(replace(state, gram=gram, weight_rows=np.full_like(state.weight_rows, rows)))
    np.testing.assert_allclose(sizes, np.full((many, len(state.gram)), size))


def test_agreement_and_dispersion_are_weighted_by_reliability() -> None:
    """Three parts of four say up; the mean is 0.3, and the deviation the root of (0.5 x 0.1^2 + 0.25 x 0.3^2 + 0.25 x 0.5^2)."""
    votes, reliability = np.array([0.4, 0.6, -0.2, 9.0])[:, None, None], np.array([1.0, 0.5, 0.5, 0.0])[:, None, None]
    share, deviation = validation._agreement(votes, reliability)
    assert share.item() == 0.75
    assert deviation.item() == pytest.approx((0.5 * 0.1**2 + 0.25 * 0.3**2 + 0.25 * 0.5**2) ** 0.5)
    assert validation._agreement(-votes, reliability)[0].item() == 0.75
    assert [part.item() for part in validation._agreement(votes, 0.0 * reliability)] == [0.0, 0.0]
