"""Taking a person who opens the room to its page, where there is somebody at a screen to be taken there."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Mapping


def show(url: str) -> bool:
    """Open the page in the person's browser; False, with nothing done, where there is none to be seen."""
    if not (sys.stdout.isatty() and has_display(os.environ, sys.platform)):
        return False
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


def has_display(environment: Mapping[str, str], platform: str) -> bool:
    """Whether a window opened here would be in front of who asks for it: not at the other end of an SSH session.

    `platform` as in `sys.platform`.
    """
    if "SSH_CONNECTION" in environment or "SSH_TTY" in environment:
        return False
    return platform in ("darwin", "win32") or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
