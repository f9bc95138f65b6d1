"""Validates and rewrites the text of a LightGBM booster: LightGBM itself would end the whole process on an altered text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_FEATURES, MAX_LEAVES, MAX_TREES = 100_000, 10_000, 10_000
_FLOAT = r"-?(?:\d{1,20}(?:\.\d{1,30})?(?:e[+-]?\d{1,3})?|inf)"  # a split between known and missing values is at inf
_FLOATS = re.compile(rf"{_FLOAT}(?: {_FLOAT})*", re.ASCII)
_INTEGERS = re.compile(r"-?\d{1,9}(?: -?\d{1,9})*", re.ASCII)
_TREE = re.compile(r"^Tree=\d+\n", re.MULTILINE)
_PER_NODE = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
_DECISIONS = frozenset({0, 2, 4, 6, 8, 10})  # numerical splits only: bit 0 would be a categorical one


@dataclass(frozen=True, slots=True)
class BoosterTrees:
    """The trees of a booster with one output, each as the lines from which LightGBM predicts."""

    features: int
    trees: tuple[str, ...]


def read_booster(text: str) -> BoosterTrees:
    """Parse a booster's text. Raises ValueError where LightGBM could not have written it for a regression without categories."""
    head, *trees = _TREE.split(text.partition("\nend of trees")[0] + "\n")
    fields = _fields(head)
    if (fields.get("num_class"), fields.get("num_tree_per_iteration")) != ("1", "1"):
        raise ValueError("it has more outputs than one")
    features = _integer(fields, "max_feature_idx") + 1
    if not (1 <= features <= MAX_FEATURES and len(trees) <= MAX_TREES):
        raise ValueError(f"it has {features} features and {len(trees)} trees")
    return BoosterTrees(features, tuple(_tree(_fields(tree), features) for tree in trees))


def write_booster(boosters: Sequence[BoosterTrees]) -> str:
    """The text of one booster with an output for each of these, which have equally many trees: its trees alternate."""
    features, outputs = boosters[0].features, len(boosters)
    trees = [tree for row in zip(*(booster.trees for booster in boosters), strict=True) for tree in row]
    head = (
        f"tree\nversion=v4\nnum_class={outputs}\nnum_tree_per_iteration={outputs}\nlabel_index=0\nmax_feature_idx={features - 1}\n"
        f"feature_names={' '.join(f'Column_{place}' for place in range(features))}\nfeature_infos={' '.join(['none'] * features)}\n\n"
    )
    return head + "".join(f"Tree={place}\n{tree}\n" for place, tree in enumerate(trees)) + "end of trees\n"


def _fields(part: str) -> dict[str, str]:
    pairs = [line.partition("=") for line in part.splitlines() if "=" in line]
    fields = {key: value for key, _, value in pairs}
    if len(fields) != len(pairs):
        raise ValueError("it names a field twice")
    return fields


def _tree(fields: dict[str, str], features: int) -> str:
    leaves = _integer(fields, "num_leaves")
    if not 1 <= leaves <= MAX_LEAVES:
        raise ValueError(f"a tree has {leaves} leaves")
    if fields.get("num_cat") != "0" or fields.get("is_linear", "0") != "0":
        raise ValueError("a tree has categories or linear leaves")
    values, shrinkage = _floats(fields, "leaf_value", leaves), _floats(fields, "shrinkage", 1)
    if not all(math.isfinite(float(word)) for word in (*values.split(" "), shrinkage)):
        raise ValueError("a tree forecasts infinity")
    lines = [f"num_leaves={leaves}", "num_cat=0", *_nodes(fields, leaves - 1, features), f"leaf_value={values}", f"shrinkage={shrinkage}"]
    return "\n".join(lines) + "\n"


def _nodes(fields: dict[str, str], nodes: int, features: int) -> list[str]:
    """The lines of a tree's splits; none for a single leaf."""
    if nodes == 0:
        return []
    split, kind, left, right = (_integers(fields, name, nodes) for name in ("split_feature", "decision_type", "left_child", "right_child"))
    if not all(0 <= column < features for column in split):
        raise ValueError("a tree splits on a feature that is not there")
    if not _DECISIONS.issuperset(kind):
        raise ValueError("a tree has an unknown type of decision")
    if sorted((*left, *right)) != [*range(-nodes - 1, 0), *range(1, nodes)]:  # each node has one parent, the first has none: there is no cycle
        raise ValueError("the nodes of a tree do not form a tree")
    return [f"{name}={_floats(fields, name, nodes) if name == 'threshold' else fields[name]}" for name in _PER_NODE]


def _integer(fields: dict[str, str], name: str) -> int:
    return _integers(fields, name, 1)[0]


def _integers(fields: dict[str, str], name: str, count: int) -> list[int]:
    line = fields.get(name, "")
    if not _INTEGERS.fullmatch(line) or line.count(" ") != count - 1:
        raise ValueError(f"its {name} is not {count} whole number{'s' if count > 1 else ''}")
    return [int(word) for word in line.split(" ")]


def _floats(fields: dict[str, str], name: str, count: int) -> str:
    line = fields.get(name, "")
    if not _FLOATS.fullmatch(line) or line.count(" ") != count - 1:
        raise ValueError(f"its {name} is not {count} number{'s' if count > 1 else ''}")
    return line
