"""The joint booster of all horizons predicts the same as each booster alone."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.domain.model import TrainingSet
from engine.domain.record import Floats
from engine.models import _booster_text, lightgbm

ROWS, COLUMNS = 1_500, 12
ROOT = Path(__file__).parents[2]


def training(y: Floats) -> TrainingSet:
    chance = np.random.default_rng(3)
    x = chance.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    x[chance.random(x.shape) < 0.05] = np.nan
    return TrainingSet(tuple(f"c{place}" for place in range(COLUMNS)), (1, 3, 12), x, y, np.arange(ROWS), ROWS)


def targets() -> Floats:
    chance = np.random.default_rng(4)
    return np.stack([np.cumsum(chance.standard_normal(ROWS)) % (2.0 + place) for place in range(3)], axis=1)


def test_training_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    usual = training(targets())
    for data in (usual, replace(usual, x=np.ones_like(usual.x))):  # the second has nothing to learn from, of which LightGBM would warn
        lightgbm.fit(data, 1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("count", [1, 10, 300])
def test_one_call_gives_the_same_bits_as_one_call_per_horizon(count: int) -> None:
    fitted = lightgbm.load(lightgbm.fit(training(targets()), 1))
    assert fitted.joint is not None
    chance = np.random.default_rng(5)
    x = chance.standard_normal((count, COLUMNS)) * 3.0
    x[chance.random(x.shape) < 0.2] = np.nan
    predictions = lightgbm.predict(fitted, x)
    apart = lightgbm.predict(lightgbm.Fitted(fitted.boosters), x)
    assert predictions.shape == (3, count)
    assert predictions.flags.c_contiguous
    assert (np.ptp(apart, axis=1) > 0).all() or count == 1  # there is something to differ in
    np.testing.assert_array_equal(predictions, apart)


def test_horizons_with_no_booster_or_unequally_many_trees_are_asked_one_by_one() -> None:
    y = targets()
    y[100:, 2] = np.nan
    few = lightgbm.load(lightgbm.fit(training(y), 1))
    assert (few.joint, few.boosters[2]) == (None, None)
    assert lightgbm.predict(few, np.zeros((2, COLUMNS)))[2].tolist() == [0.0, 0.0]
    texts = json.loads(lightgbm.fit(training(targets()), 1))
    booster = lightgbm.load(json.dumps(texts).encode()).boosters[1]
    assert booster is not None
    texts[1] = booster.model_to_string(num_iteration=7)
    unequal = lightgbm.load(json.dumps(texts).encode())
    assert unequal.joint is None
    assert np.isfinite(lightgbm.predict(unequal, np.zeros((2, COLUMNS)))).all()


ALTERED = {
    "a text that is longer": ("\nleaf_value=", "\nleaf_value=1"),
    "a split on a feature that is not there": ("\nsplit_feature=", "\nsplit_feature=9"),
    "a node that is its own child": ("\nleft_child=", "\nleft_child=0 0 0 0 0 0 0 0 0 0 0\nother="),
    "no outputs": ("num_tree_per_iteration=1", "num_tree_per_iteration=x"),
    "a leaf at infinity": ("\nshrinkage=1\n", "\nshrinkage=1e999\n"),
    "categories": ("\nnum_cat=0", "\nnum_cat=1000000"),
    "linear leaves": ("\nis_linear=0", "\nis_linear=1"),
    "a tree of no leaves": ("\nnum_leaves=12", "\nnum_leaves=0"),
    "a field that is there twice": ("\nnum_cat=0", "\nnum_cat=0\nnum_cat=0"),
}
SURVIVES = """
import pathlib, sys
import numpy as np
from engine.models import lightgbm
for path in sys.argv[1:]:
    try:
        lightgbm.predict(lightgbm.load(pathlib.Path(path).read_bytes()), np.zeros((2, 12)))
        print("loaded")
    except ValueError as error:
        print(error)
"""


def test_no_altered_text_reaches_lightgbm_which_would_end_the_process(tmp_path: Path) -> None:
    """In a process of its own, since that is what is at stake."""
    texts = json.loads(lightgbm.fit(training(targets()), 1))
    paths = []
    for name, (old, new) in ALTERED.items():
        assert old in texts[1], name
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps([texts[0], texts[1].replace(old, new, 1), texts[2]]), encoding="utf-8")
    ran = subprocess.run([sys.executable, "-c", SURVIVES, *map(str, paths)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    lines = ran.stdout.splitlines()
    assert (ran.returncode, len(lines)) == (0, len(ALTERED)), ran.stderr[-300:]
    refused = {name for name, line in zip(ALTERED, lines, strict=True) if "are no boosters" in line}
    assert set(ALTERED) - refused <= {"a text that is longer"}  # a digit more may well be another sound tree


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"[" * 100_000, b'["tree"]', b'{"a": 1}'])
def test_bytes_without_a_booster_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="are no boosters"):
        lightgbm.load(data)


SMALL = """tree
version=v4
num_class=1
num_tree_per_iteration=1
max_feature_idx=3

Tree=0
num_leaves=3
num_cat=0
split_feature=0 3
threshold=0.5 inf
decision_type=2 8
left_child=1 -1
right_child=-2 -3
leaf_value=0.1 -2e-05 3
shrinkage=0.05

end of trees
"""


def test_a_valid_text_is_rewritten_unchanged() -> None:
    trees = _booster_text.read_booster(SMALL)
    assert (trees.features, len(trees.trees)) == (4, 1)
    assert _booster_text.read_booster(_booster_text.write_booster([trees])) == trees


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("decision_type=2 8", "decision_type=3 8"), ("decision_type=2 8", "decision_type=2"), ("split_feature=0 3", "split_feature=0 4"),
        ("split_feature=0 3", "split_feature=-1 3"), ("left_child=1 -1", "left_child=1 1"), ("right_child=-2 -3", "right_child=-2 -4"),
        ("right_child=-2 -3", "right_child=-2 0"), ("threshold=0.5 inf", "threshold=0.5 nan"), ("leaf_value=0.1", "leaf_value=inf"),
        ("num_class=1", "num_class=3"), ("max_feature_idx=3", "max_feature_idx=999999"), ("num_leaves=3", "num_leaves=99999"),
        ("num_leaves=3", "num_leaves=\u0663"), ("num_cat=0\n", ""), ("shrinkage=0.05", "shrinkage=0.05\nis_linear=1"),
    ],
)  # fmt: skip
def test_each_fault_of_a_text_is_refused(old: str, new: str) -> None:
    assert old in SMALL
    with pytest.raises(ValueError, match=r"tree|output|features|its "):
        _booster_text.read_booster(SMALL.replace(old, new))


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (SMALL.replace("max_feature_idx=3", "max_feature_idx=100000"), "it has 100001 features and 1 trees"),
        (SMALL.replace("Tree=0\n", "Tree=0\n" * 10_001), "it has 4 features and 10001 trees"),
        (SMALL.replace("num_leaves=3", "num_leaves=10001"), "a tree has 10001 leaves"),
    ],
)
def test_a_booster_has_at_most_100_000_features_10_000_trees_and_10_000_leaves(text: str, refused: str) -> None:
    with pytest.raises(ValueError, match=refused):
        _booster_text.read_booster(text)


def test_a_booster_at_its_limits_is_read() -> None:
    head, tree = SMALL.partition("Tree=0")[0], "Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=0.5\nshrinkage=1\n\n"
    widest = head.replace("max_feature_idx=3", "max_feature_idx=99999") + tree * 10_000 + "end of trees\n"
    trees = _booster_text.read_booster(widest)
    assert (trees.features, len(trees.trees)) == (100_000, 10_000)


@pytest.mark.parametrize(("count", "share"), [(1_000, 0.5), (40_000, 0.5), (50_000, 0.4), (80_000, 0.25), (200_000, 0.25)])
def test_a_tree_is_grown_on_half_of_few_rows_and_on_a_quarter_of_many(count: int, share: float) -> None:
    assert lightgbm.share_of_rows(count) == pytest.approx(share)
