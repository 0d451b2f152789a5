from __future__ import annotations

import sys
from pathlib import Path

# The made-up project of the release's tests is what is validated here.
sys.path.insert(0, str(Path(__file__).parents[1] / "release"))
