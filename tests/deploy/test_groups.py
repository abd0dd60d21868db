"""Each group of tests/run installs all that it uses, so that any of them can be the first on a fresh machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN = (ROOT / "tests" / "run").read_text()
# What the README asks for, what each Debian has, and what virtual environments bring along.
GIVEN = {"cargo", "gcc", "node", "npm", "python3"}
GIVEN |= {"bash", "cat", "env", "ldd", "mount", "nologin", "sh", "sleep", "true", "umount", "useradd"}
GIVEN |= {"check-jsonschema", "jupyter", "marimo", "voila"}
# Programs that have to be installed: wherever tests name one, they use it.
FOREIGN = {"chromium", "nginx", "openssl", "prometheus", "promtool", "systemd-analyze"}
# Functions that start a program whose name is the first of a list, or the first argument.
BY_LIST = {"run", "Popen", "check_output", "check_call", "program"}
BY_NAME = {"execvp", "spawn", "execFile"}
FUNCTION = re.compile(r"^(\w+)\(\) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
BODIES = dict(FUNCTION.findall(RUN))
GROUPS = [name.removeprefix("group_") for name in BODIES if name.startswith("group_")]


def body(name: str) -> str:
    """The text of a group, with that of the functions that it calls."""
    text, called = "", [f"group_{name}"]
    while called:
        own = BODIES[called.pop()]
        text += own
        called += [
            other
            for other in BODIES
            if re.search(rf"^\s+(?:\w+=\S+ )*{other}\b", own, re.MULTILINE) and BODIES[other] not in text
        ]
    return text


def sources(text: str) -> set[Path]:
    """The files of the tests that it runs."""
    text = re.sub(r"^\s+need_.*$", "", text, flags=re.MULTILINE)
    folders = {
        ROOT / folder
        for folder in re.findall(r"(?<![\w/$}-])((?:python/)?tests(?:/\w+)?)(?=[\s/]|$)", text, re.MULTILINE)
    }
    folders.discard(ROOT / "tests")
    files = (file for folder in folders for file in folder.rglob("*") if folder.is_dir())
    tests = [file for file in files if file.suffix in {".py", ".mjs"} and "node_modules" not in file.parts]
    # This one names programs that it does not run.
    return with_imported(tests) - {Path(__file__)}


def with_imported(files: list[Path]) -> set[Path]:
    """These, and the modules of other folders of tests that they import."""
    found, rest = set(files), list(files)
    while rest:
        file = rest.pop()
        if file.suffix != ".py":
            continue
        for name in re.findall(r"^(?:from|import) (\w+)", file.read_text(), re.MULTILINE):
            beside = file.parent / f"{name}.py"
            elsewhere = [*ROOT.glob(f"tests/*/{name}.py"), *ROOT.glob(f"python/tests/{name}.py")]
            new = {beside} if beside.exists() else set(elsewhere)
            rest += new - found
            found |= new
    return found


def started(file: Path) -> Iterator[str]:
    """The programs that it starts, by their names, and by their places."""
    text = file.read_text()
    yield from re.findall(r"""["'](/usr/s?bin/[\w.-]+)["']""", text)
    if file.suffix == ".mjs":
        yield from re.findall(rf"""\b(?:{"|".join(BY_NAME)})\(\s*["']([\w.-]+)["']""", text)
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            # A command by itself, or as one text.
            yield from {*node.value.split(" -")[0].split()[:1]} & FOREIGN
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[0]
        if called in BY_LIST and isinstance(first, ast.List) and first.elts:
            first = first.elts[0]
        elif called not in BY_NAME:
            continue
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def needed(text: str, what: str) -> list[str]:
    return re.findall(rf"^\s+{what}\b(.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_installs_the_programs_that_its_tests_start(group: str) -> None:
    text = body(group)
    # By the package's name and by that of the file which shows that it is there.
    installed = {Path(word).name for line in needed(text, "need_debian") for word in line.split()}
    for file in sources(text):
        lacking = {Path(name).name for name in started(file)} - GIVEN - installed
        assert not lacking, f"group_{group} runs {file.relative_to(ROOT)}: need_debian for {lacking}"


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_installs_the_packages_of_python_and_node_that_it_uses(group: str) -> None:
    text = body(group)
    made = {line.split()[0].strip('"') for line in needed(text, "need_venv")}
    used = {
        f"$target/{place}"
        for place in re.findall(r"(?:\$target|\$\(realpath \"\$target\"\))\"?/([\w/-]*venv[\w-]*)", text)
    }
    assert used <= made, f"group_{group}: need_venv for {used - made}"
    for file in {source.parent / "package.json" for source in sources(text)}:
        if file.exists():
            folder = str(file.parent.relative_to(ROOT))
            assert folder in {line.strip() for line in needed(text, "need_node_modules")}, f"group_{group}: {folder}"


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_that_uses_the_server_builds_it_and_one_with_a_browser_has_a_font(group: str) -> None:
    text = body(group)
    assert "FRAMEHUB_BIN=" not in text or needed(text, "build_server"), f"group_{group}: build_server"
    if any("chromium" in line for line in needed(text, "need_debian")):
        assert any("fonts-" in line for line in needed(text, "need_debian")), f"group_{group}: a font"


@pytest.mark.parametrize("group", GROUPS)
def test_crates_are_fetched_before_anything_that_runs_offline(group: str) -> None:
    text = body(group)
    # Programs of Debian have an option of that name, too.
    offline = [
        file for file in sources(text) if {'"cargo"', '"--offline"'} <= set(re.findall(r'"[\w-]+"', file.read_text()))
    ]
    assert not offline or needed(text, "need_crates"), f"group_{group} runs {offline}: need_crates"


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_installs_before_it_does_anything_else(group: str) -> None:
    lines = [
        line for line in BODIES[f"group_{group}"].splitlines() if line.strip() and not line.strip().startswith("#")
    ]
    needs = [line.strip().startswith("need_") for line in lines]
    assert needs == sorted(needs, reverse=True), f"group_{group}: the lines with need_ first"
