"""Store the references anew: `python -m tests.reference` for all, or with the names of some; it prints what changes before it writes."""

from __future__ import annotations

import sys

from threadpoolctl import threadpool_limits

from tests.reference.cases import CASES, run_cases
from tests.reference.figures import Figures, figures_of
from tests.reference.sessions import SESSIONS, Session, figures_of_tick
from tests.reference.stored import FOLDER, differences, read_reference, read_values, shown_values, value_differences, write_reference, write_values

MOST = 8  # changes that are printed of a tick or of a case


def main(names: list[str]) -> int:
    """Run what is named, print what changes and write it."""
    threadpool_limits(1)  # as in the tests
    known = [*(session.name for session in SESSIONS), *CASES]
    for name in names:
        if name not in known:
            print(f"there is no reference {name}: there are {', '.join(known)}", file=sys.stderr)
            return 64
    for session in SESSIONS:
        if not names or session.name in names:
            ticks = [figures_of_tick(tick) for tick in session.run()]
            _print_session(session, ticks)
            write_reference(session.name, ticks, session.shown)
    for name in CASES:
        if not names or name in names:
            figures = {case: figures_of(value, "") for case, value in run_cases(name)}
            _print_cases(name, figures)
            write_values(name, {case: {figure: shown_values(parts) for figure, parts in parts.items()} for case, parts in figures.items()})
    return 0


def _print_session(session: Session, ticks: list[Figures]) -> None:
    if not (FOLDER / f"{session.name}.json").exists():
        print(f"{session.name}: new")
        return
    reference = read_reference(session.name)
    changed = 0
    for tick, figures in enumerate(ticks[: len(reference.residues)]):
        differing = list(differences(figures, reference, tick))
        if differing and not changed:
            print(f"{session.name}: the first change is at tick {tick}:")
            print("".join(f"  {line}\n" for line in differing[:MOST]), end="")
        changed += bool(differing)
    print(f"{session.name}: {changed} of {len(ticks)} ticks have changed")


def _print_cases(name: str, figures: dict[str, Figures]) -> None:
    stored = read_values(name) if (FOLDER / f"{name}.json").exists() else {}
    for case, now in figures.items():
        differing = list(value_differences(case, now, stored.get(case, {})))
        print("".join(f"{name}, {case}: {line}\n" for line in differing[:MOST]), end="")
    for case in stored.keys() - figures.keys():
        print(f"{name}, {case}: absent")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
