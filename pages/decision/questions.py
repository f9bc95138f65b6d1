"""Questions about a stored decision, answered on demand by a process of their own: neither the engine nor another page waits for one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import streamlit as st

from pages.ui import cache, theme, widgets

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 180
ANSWERS = "answers"  # of this browser: the newest answer by kind, with its question
T = TypeVar("T")


def run_engine(arguments: Sequence[str], accepted: Sequence[int] = (0,)) -> tuple[int, bytes, str]:
    """Run a subcommand; return its exit code, its output and the reason where it was refused or took too long."""
    command = [sys.executable, "-m", "engine", *arguments, "--store", cache.store_url()]
    try:
        process = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return -1, b"", f"it was not ready after {SECONDS} s"
    if process.returncode in accepted:
        return process.returncode, process.stdout, ""
    return process.returncode, b"", " ".join(process.stderr.decode(errors="replace").split()).removeprefix("podium: ")[-400:]


def ask(kind: str, question: tuple[str, ...], words: str, *, label: str, detail: str, answer_as: type[T]) -> T | None:
    """Draw the button that asks, and return the answer to this very question; a refusal is shown in its place."""
    answers = st.session_state.setdefault(ANSWERS, {})
    if st.button(label, key=f"ask_{kind}", help=detail):
        with st.spinner(words):
            answers[kind] = (question, *run_engine(question))
    known = answers.get(kind)
    if known is None or known[0] != question:
        return None
    _, _, output, reason = known
    if reason:
        widgets.show_notice(reason, word="No answer.", colour=theme.WARNING)
        return None
    return msgspec.json.decode(output, type=answer_as)
