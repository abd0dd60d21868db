"""The browser's module of the widget: the server's own modules, put together into the one text that anywidget takes.

It travels through the notebook's channel, not from the server, because not every way to the server lets a page load
modules from there, and the last one, through the kernel, lets none.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path, PurePosixPath

_STATIC = Path(__file__).parent / "static"
_ENTRY = PurePosixPath("notebook/cell.js")

_IMPORT = re.compile(r'^import\s+\{([^}]*)\}\s+from\s+"([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export\s+(?=(?:async\s+)?(?:function|class|const|let)\s+(\w+))", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)
# Documentation and whole-line comments, which browsers do not need.
_COMMENT = re.compile(r"^[ \t]*(?:/\*\*.*?\*/[ \t]*\n|//[^\n]*\n)", re.MULTILINE | re.DOTALL)
_BUILD = '"development"'


@cache
def source() -> str:
    """The module's text."""
    return bundle(_STATIC, _ENTRY)


def bundle(root: Path, entry: PurePosixPath) -> str:
    """The module `entry` below `root` and all that it imports, as one module with the default export of `entry`.

    It knows the form in which the modules are written: imports and exports by name, each in a statement of its own that
    begins a line. Raises ValueError for another.
    """
    modules: dict[PurePosixPath, str] = {}
    _add(root, entry, modules)
    text = "\n".join([*modules.values(), f"export default {_variable(entry)}.default;", ""])
    build = hashlib.sha256(text.encode()).hexdigest()[:12]
    return text.replace(_BUILD, f'"{build}"')


def _add(root: Path, path: PurePosixPath, modules: dict[PurePosixPath, str]) -> None:
    """Adds a module after those that it imports, each as a constant that holds its exports."""
    text = (root / path).read_text(encoding="utf-8")
    imports: list[str] = []
    for names, target in _IMPORT.findall(text):
        imported = _resolve(path.parent, target)
        if imported not in modules:
            _add(root, imported, modules)
        imports.append(f"const {{ {_renamed(names)} }} = {_variable(imported)};\n")
    exports: list[str] = _EXPORT.findall(text)
    body = _EXPORT.sub("", _DEFAULT.sub("const __default = ", _COMMENT.sub("", _IMPORT.sub("", text))))
    if re.search(r"^(?:import|export)\b|\bimport\.meta\b", body, re.MULTILINE):
        raise ValueError(f"{path} has an import or export of a form that cannot be bundled")
    if body.find("const __default = ") >= 0:
        exports.append("default: __default")
    modules[path] = (
        f"const {_variable(path)} = (() => {{\n{''.join(imports)}{body}return {{ {', '.join(exports)} }};\n}})();"
    )


def _resolve(folder: PurePosixPath, target: str) -> PurePosixPath:
    parts: list[str] = list(folder.parts)
    for part in PurePosixPath(target).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return PurePosixPath(*parts)


def _renamed(names: str) -> str:
    return re.sub(r"(\w+)\s+as\s+(\w+)", r"\1: \2", " ".join(names.split()))


def _variable(path: PurePosixPath) -> str:
    return "_" + re.sub(r"\W", "_", str(path.with_suffix("")))
