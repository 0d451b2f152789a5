"""Import closure of a module: all modules of this package that its code may run, and the digest of their code.

Imports inside functions count; imports for type checkers (`if TYPE_CHECKING`) do not. The `__init__` of every package
on the way counts, since Python runs it. Modules that declare parameters do not count: a stage depends on the values
of its parameters, defaults included, so a changed default concerns only the stages that read it.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = __name__.partition(".")[0]
PARAMETERS = f"{PACKAGE}.config"
"""The package that declares params.yaml: a closure that begins outside it stops there."""

_SOURCES = Path(__file__).resolve().parents[__name__.count(".")]


@cache
def closure(*roots: str) -> frozenset[str]:
    """Modules of this package that `roots` import, directly or not, with `roots` themselves. All are dotted names.

    A package stands for its `__init__` alone. Raises ModuleNotFoundError for a root outside this package.
    """
    graph = _imports()
    modules: set[str] = set()
    todo = [*roots]
    while todo:
        module = todo.pop()
        if module in modules:
            continue
        if module not in graph:
            raise ModuleNotFoundError(module)
        modules.add(module)
        imported = {*graph[module], module.rpartition(".")[0]} - {""}
        todo += imported if is_parameter(module) else (name for name in imported if not is_parameter(name))
    return frozenset(modules)


def code_digest(*roots: str) -> str:
    """Digest (sha256, hex) of the code and the package data in the closure of `roots`.

    Code counts by its syntax tree without docstrings and positions: comments, docstrings, quotes, line breaks and the
    version of Python do not matter. Data files (tables, templates) count byte by byte.
    """
    return digest_of(closure(*roots))


def digest_of(modules: Iterable[str]) -> str:
    """`code_digest` of these modules alone, without what they import."""
    return _digest_of(frozenset(modules))


@cache
def package_digest() -> str:
    """Digest (sha256, hex) of all files of the installed package, byte by byte: that two machines run the same."""
    state = hashlib.sha256()
    folder = _SOURCES / PACKAGE
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            state.update(path.relative_to(folder).as_posix().encode("utf-8"))
            state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()


@cache
def _digest_of(modules: frozenset[str]) -> str:
    state = hashlib.sha256()
    for path in sorted({*map(source, modules), *data_files(modules)}):
        state.update(path.relative_to(_SOURCES).as_posix().encode("utf-8"))
        state.update(_file_digest(path))
    return state.hexdigest()


@cache
def _file_digest(path: Path) -> bytes:
    data = path.read_bytes()
    return syntax_digest(data) if path.suffix == ".py" else hashlib.sha256(data).digest()


def is_parameter(module: str) -> bool:
    """True for a module of the package that declares params.yaml."""
    return module == PARAMETERS or module.startswith(f"{PARAMETERS}.")


def modules_below(package: str) -> set[str]:
    """All modules of `package`, itself included."""
    return {name for name in _imports() if name == package or name.startswith(f"{package}.")}


def source(module: str) -> Path:
    """File of a module: `NAME.py`, or `__init__.py` of a package."""
    path = _SOURCES.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def data_files(modules: Iterable[str]) -> set[Path]:
    """Data files (tables, templates) beside `modules`, also in subfolders that are no packages."""
    return {path for folder in {source(module).parent for module in modules} for path in _data_below(folder)}


def _data_below(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name != "__pycache__" and not (path / "__init__.py").exists():
                yield from (file for file in path.rglob("*") if file.is_file())
        elif path.suffix not in (".py", ".pyc") and path.name != "py.typed":
            yield path


@cache
def _imports() -> dict[str, frozenset[str]]:
    """Module → the modules of this package that it imports, at its top or in a function."""
    import grimp  # only here: few commands need it, and it reads every source file

    # No cache folder: reading all source files takes a fraction of a second.
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    return {module: frozenset(graph.find_modules_directly_imported_by(module)) for module in graph.modules}


def syntax_digest(code: bytes) -> bytes:
    """Digest (sha256) of Python source as its syntax tree, without docstrings, comments and positions."""
    parts: list[str] = []
    _write(ast.parse(code), parts)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


_NO_MEANING = frozenset(("ctx", "kind", "type_comment", "type_ignores"))


def _write(node: object, parts: list[str]) -> None:
    """Append the tree in order, without empty fields: Python versions differ in which fields they have."""
    if isinstance(node, ast.AST):
        parts.append(f"({type(node).__name__}")
        is_constant = isinstance(node, ast.Constant)
        for name in node._fields:
            value = getattr(node, name, None)
            if name in _NO_MEANING or value == [] or (value is None and not is_constant):
                continue
            parts.append(name)
            _write(_without_docstrings(value) if name == "body" else value, parts)
        parts.append(")")
    elif isinstance(node, list):
        parts.append("[")
        for each in node:
            _write(each, parts)
        parts.append("]")
    else:
        parts.append(repr(node))


def _without_docstrings(body: object) -> object:
    """Statements without bare strings (docstrings of functions and attributes). A lambda's body is no list."""
    return [each for each in body if not _is_bare_string(each)] if isinstance(body, list) else body


def _is_bare_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
