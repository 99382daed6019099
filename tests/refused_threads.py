"""A system that gives no more threads."""

import threading

import pytest


def refuse_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the next thread of this name not start."""
    start, refused = threading.Thread.start, []

    def refuse_once(thread: threading.Thread) -> None:
        if thread.name == name and not refused:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_once)
