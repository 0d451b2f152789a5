"""`recall.py`: the modules of this package as one file, which needs Pillow and numpy alone.

The file is built, never edited: the modules follow each other, without their imports of each other.
"""

from __future__ import annotations

import ast
from pathlib import Path

from mtf.recall import command

NAME = "recall.py"
PACKAGE = "mtf.recall"
# In the order of their imports.
MODULES = (
    "picture_bytes",
    "perceptual_code",
    "signatures",
    "withdrawal_list",
    "picture_matcher",
    "pictures_in_archives",
    "pictures_in_tables",
    "copy_forms",
    "list_source",
    "copy_search",
    "copy_removal",
    "command",
)
_BEGIN = '''#!/usr/bin/env python3
"""Look through any copy of a data set for pictures that were withdrawn, and remove them.

    python recall.py PATH           # names what must go
    python recall.py PATH --apply   # removes it, and writes a receipt

Needs Python 3.11 or newer, Pillow and numpy; for Parquet and Arrow files also pyarrow. Apache-2.0.
Built from the package mtf.recall of the program mtf.
"""

from __future__ import annotations

'''
_END = """

if __name__ == "__main__":
    sys.exit(main())
"""


def one_file() -> str:
    """Source text of recall.py. Raises ValueError if two modules give one name to different things."""
    imports: dict[str, None] = {}
    bodies: list[str] = []
    owners: dict[str, str] = {}
    for name in MODULES:
        text = Path(command.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
        lines = text.splitlines()
        tree = ast.parse(text)
        dropped: set[int] = set()
        for node in tree.body:
            span = range(node.lineno - 1, (node.end_lineno or node.lineno))
            if isinstance(node, ast.Import | ast.ImportFrom):
                dropped.update(span)
                module = getattr(node, "module", None) or ""
                if module != "__future__" and not module.startswith(PACKAGE):
                    imports["\n".join(lines[number] for number in span)] = None
                continue
            for defined in _names(node):
                if owners.setdefault(defined, name) != name:
                    raise ValueError(f"{defined} is defined in {owners[defined]} and in {name}: {NAME} needs two names")
        docstring = tree.body[0]
        dropped.update(range(docstring.lineno - 1, docstring.end_lineno or 1))
        body = "\n".join(line for number, line in enumerate(lines) if number not in dropped).strip("\n")
        bodies.append(f"# {name}: {(ast.get_docstring(tree) or '').splitlines()[0]}\n\n{body}")
    return _BEGIN + "\n".join(sorted(imports)) + "\n\n\n" + "\n\n\n".join(bodies) + _END


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
