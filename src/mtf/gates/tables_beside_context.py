"""Plugin of the written Great Expectations context: its tables are found from any folder.

Great Expectations takes the relative `base_directory` of a file data source from the folder that a program runs in. An
absolute one would name a folder of the machine that checked the data set. `gx/great_expectations.yml` therefore names
this module as that of a store; it is copied to `gx/plugins/` and needs Great Expectations alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from great_expectations.data_context.store.validation_results_store import ValidationResultsStore
from great_expectations.datasource.fluent import PandasFilesystemDatasource

__all__ = ["ValidationResultsStore"]

PLUGIN = Path(__file__).name
_built_in = PandasFilesystemDatasource._build_data_connector


def _from_the_context(self: PandasFilesystemDatasource, *args: Any, **options: Any) -> None:
    """Build the connector with the context's folder as the root of relative paths, in contexts with this plugin."""
    root = Path(getattr(self._data_context, "root_directory", None) or "")
    if not self.base_directory.is_absolute() and (root / "plugins" / PLUGIN).is_file():
        self.data_context_root_directory = root
    _built_in(self, *args, **options)


PandasFilesystemDatasource._build_data_connector = _from_the_context
