"""The skill that new versions inherit: known agreements, probation and its end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from engine.domain.evidence import GAIN, Agreement, SkillSums, Succession
from engine.domain.record import Floats
from engine.domain.trading_config import Event, TradingConfig
from engine.evidence import skill, succession

HORIZONS = (1, 3)
KNOBS = TradingConfig(horizons=HORIZONS, recent_skill_halflife=1e9, skill_halflife=1e9)
MEMORY = np.ones((2, 1, 1))
DRAW = np.random.default_rng(5).standard_normal((2, 400))


def event(*record: float, before: float = 1.0) -> Event:
    return succession.agreement_to_event(Agreement(2_304, np.array(record), np.full(len(record), before), ()))


@dataclass
class History:
    """A record of skill and who may claim it, fed with one gain per tick and horizon."""

    succession: Succession = field(default_factory=lambda: succession.initial_succession(3, 1, 2))
    recent: SkillSums = field(default_factory=lambda: skill.empty_skill(2, 2, 1))
    tick: int = 0

    def play(self, ticks: int, *gains: float, version: str = "ridge-1", events: tuple[Event, ...] = ()) -> History:
        """Every tick scores a power of 1 and a gain, up and down around `gains` by 0.1, at each horizon."""
        for place in range(ticks):
            begun = succession.adopt_versions(self.succession, self.recent, events if place == 0 else (), KNOBS)
            noisy: Floats = np.array(gains) + (0.1 if self.tick % 6 < 3 else -0.1)
            sums = np.stack([noisy, noisy**2, np.ones(2), np.ones(2)])[:, None, :, None]
            closes = np.array([float((self.tick + 1) % horizon == 0) for horizon in HORIZONS])
            self.succession, self.recent = succession.update_succession(begun, self.recent, sums, closes, MEMORY, (version,), KNOBS)
            self.tick += 1
        return self

    def standing(self) -> Floats:
        return succession.allowed_share(self.succession, self.recent, KNOBS)


def proven() -> History:
    return History().play(600, 0.05, 0.05)


@pytest.mark.parametrize(("times", "expected"), [(1.0, 1.0), (0.5, 1.0), (2.0, 0.5), (4.0, 0.25), (-1.0, -1.0), (-2.0, -0.5), (-0.1, -1.0)])
def test_forecasts_that_are_others_times_a_number_agree_by_a_known_figure(times: float, expected: float) -> None:
    np.testing.assert_allclose(succession.measure_agreement(times * DRAW, DRAW), expected)


def test_agreement_is_the_correlation_for_equal_boldness_and_unknown_without_forecasts() -> None:
    first, other = np.array([[1.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 1.0], [4.0, 3.0]])
    np.testing.assert_allclose(succession.measure_agreement(first, other), [0.0, 0.96])
    assert np.isnan(succession.measure_agreement(0.0 * DRAW, DRAW)).all()
    assert np.isnan(succession.measure_agreement(DRAW, 0.0 * DRAW)).all()
    assert np.isnan(succession.measure_agreement(DRAW, DRAW * np.nan)).all()


def test_all_is_inherited_from_half_agreement_on_and_nothing_where_it_contradicts_or_is_not_known() -> None:
    expected = succession.share_for_agreement(np.array([1.0, 0.5, 0.25, 0.0, -0.9, np.nan]))
    np.testing.assert_allclose(expected, [1.0, 1.0, 0.5, 0.0, 0.0, 0.0])


def test_an_event_round_trips_the_agreement() -> None:
    original = Agreement(2_304, np.array([0.93, np.nan]), np.array([0.5, 0.25]), (("ridge-887", np.array([0.1, -0.2])),))
    again = succession.agreement_from_event(succession.agreement_to_event(original))
    assert succession.agreement_to_event(original).kind == succession.EVENT_KIND
    assert again.digest() == original.digest()


def test_a_version_that_contradicts_loses_the_proven_size_at_once_and_one_that_agrees_loses_none() -> None:
    history = proven()
    for agreement, standing in ((-0.9, 0.0), (0.2, 0.4), (0.8, 1.0)):
        begun = succession.adopt_versions(history.succession, history.recent, (event(agreement, agreement),), KNOBS)
        np.testing.assert_allclose(succession.allowed_share(begun, history.recent, KNOBS), standing)


def test_horizons_stand_each_for_itself() -> None:
    begun = succession.adopt_versions(proven().succession, proven().recent, (event(-0.9, 0.9),), KNOBS)
    np.testing.assert_allclose(succession.allowed_share(begun, proven().recent, KNOBS), [0.0, 1.0])


def test_where_nothing_is_proven_there_is_nothing_to_inherit_and_no_probation() -> None:
    history = History().play(100, -0.01, -0.01).play(1, 0.0, 0.0, events=(event(-0.9, -0.9),))
    np.testing.assert_array_equal(history.standing(), 1.0)
    assert history.succession.records_begun == 0


def test_a_record_that_proves_nothing_of_late_is_not_inherited_by_a_version_that_contradicts() -> None:
    """Else a few good bars of the new version would bring back the size that the long record of the old one allowed."""
    history = proven()
    dying = history.recent.sums.copy()
    dying[GAIN, 1] *= -1.0
    history.recent = SkillSums(dying)
    assert (skill.skill_bound(history.recent, KNOBS)[0] < 0.0).all()
    history.play(1, 0.05, 0.05, version="ridge-2", events=(event(-0.9, -0.9),))
    np.testing.assert_array_equal(history.standing(), 0.0)


def test_an_own_record_that_is_proved_replaces_one_that_allows_nothing_any_more() -> None:
    history = proven().play(40, 0.05, 0.05, version="ridge-2", events=(event(-0.9, -0.9),))
    discounted = history.recent.sums.copy()
    discounted[GAIN, 1] *= -1.0
    history.recent = SkillSums(discounted)
    history.play(300, 0.05, 0.05, version="ridge-2")
    np.testing.assert_array_equal(history.succession.inherited, 1.0)
    assert (skill.skill_bound(history.recent, KNOBS)[0] > 0.0).all()


def test_on_probation_the_record_stands_still_once_the_forecasts_of_before_have_come_due() -> None:
    history = proven().play(3, -0.3, -0.3, version="ridge-2", events=(event(-0.9, -0.9),))
    assert history.recent.rows[0, :, 0].tolist() == [601.0, 603.0]  # the forecast of a bar before the adoption, and of three
    gain = history.recent.gain.copy()
    before = history.play(24, -0.3, -0.3, version="ridge-2").recent.digest()  # in which the blocks that were running end
    history.play(60, -0.3, -0.3, version="ridge-2")
    assert history.recent.digest() == before
    np.testing.assert_array_equal(history.recent.gain, gain)
    assert history.succession.probation_skill.rows[0, :, 0].tolist() == [86.0, 84.0]
    assert history.succession.record_versions == (("ridge-1",), ("ridge-1",))
    np.testing.assert_array_equal(history.standing(), 0.0)


def test_a_version_that_agrees_with_those_of_record_again_has_their_skill_whatever_happened_between() -> None:
    history = proven().play(3, -0.3, -0.3, version="ridge-2", events=(event(-0.9, -0.9),)).play(300, -0.3, -0.3, version="ridge-2")
    record = history.recent.digest()
    history.play(1, 0.05, 0.05, version="ridge-3", events=(event(0.9, 0.9, before=-0.9),))
    np.testing.assert_array_equal(history.standing(), 1.0)
    history.play(2, 0.05, 0.05, version="ridge-3")
    assert history.recent.rows[0, :, 0].tolist() == [603.0, 603.0]  # three came due of ridge-2's last at the longer horizon, which count apart
    assert history.recent.digest() != record
    assert history.succession.record_versions == (("ridge-3",), ("ridge-3",))


def test_an_own_record_that_allows_as_much_replaces_the_one_before() -> None:
    history = proven().play(40, 0.08, -0.2, version="ridge-2", events=(event(-0.9, -0.9),))
    while history.succession.inherited[0] < 1.0 and history.tick < 5_000:
        before = history.standing()[0]
        history.play(1, 0.08, -0.2, version="ridge-2")
        assert history.standing()[0] >= before - 0.05
    assert 640 < history.tick < 5_000
    assert history.succession.record_versions == (("ridge-2",), ("ridge-1",))
    assert history.recent.gain[0, 0, 0] / history.recent.power[0, 0, 0] == pytest.approx(0.08, abs=0.003)
    assert history.succession.probation_skill.rows[0, 0, 0] == 0.0
    np.testing.assert_array_equal(history.standing(), [1.0, 0.0])


def test_a_later_version_that_says_the_same_goes_on_with_the_own_record_and_another_begins_anew() -> None:
    history = proven().play(100, 0.02, 0.02, version="ridge-2", events=(event(-0.9, -0.9),))
    same = succession.adopt_versions(history.succession, history.recent, (event(-0.9, -0.9, before=0.9),), KNOBS)
    assert same.probation_skill.digest() == history.succession.probation_skill.digest()
    assert same.records_begun == 1
    other = succession.adopt_versions(history.succession, history.recent, (event(-0.9, -0.9, before=0.1),), KNOBS)
    assert not other.probation_skill.sums.any()
    assert other.records_begun == 2


def test_every_further_own_record_is_looked_at_more_strictly() -> None:
    history = proven().play(1_000, 0.04, 0.04, version="ridge-2", events=(event(-0.9, -0.9),))
    few, many = (replace(history.succession, records_begun=begun, inherited=np.zeros(2)) for begun in (1, 30))
    assert (succession.allowed_share(many, history.recent, KNOBS) < succession.allowed_share(few, history.recent, KNOBS) - 0.01).all()
