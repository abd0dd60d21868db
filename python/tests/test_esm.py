from pathlib import Path, PurePosixPath

import pytest
from framehub import RemoteFrameBuffer
from framehub._esm import bundle


def write(root: Path, modules: dict[str, str]) -> None:
    for path, text in modules.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def test_a_module_comes_after_those_it_imports_and_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a/main.js": 'import { x, y as z } from "../b/one.js";\n'
            'import { two } from "./two.js";\nexport default x;\n',
            "b/one.js": "/** Doc. */\nexport const x = 1;\nexport function y() {}\n",
            "a/two.js": 'import { x } from "../b/one.js";\nexport async function two() {\n  return x;\n}\n',
        },
    )
    text = bundle(tmp_path, PurePosixPath("a/main.js"))
    assert text.count("const x = 1;") == 1
    assert text.index("const _b_one") < text.index("const _a_two") < text.index("const _a_main")
    assert "const { x, y: z } = _b_one;" in text
    assert "return { x, y };" in text
    assert text.endswith("export default _a_main.default;\n")
    assert "Doc." not in text


@pytest.mark.parametrize("line", ['import * as x from "./y.js";', "export { x };", "const u = import.meta.url;"])
def test_a_form_that_cannot_be_bundled_is_refused(tmp_path: Path, line: str) -> None:
    write(tmp_path, {"main.js": f"{line}\nexport default 1;\n"})
    with pytest.raises(ValueError, match=r"main\.js"):
        bundle(tmp_path, PurePosixPath("main.js"))


def test_each_version_of_the_modules_has_a_build_of_its_own(tmp_path: Path) -> None:
    builds = []
    for body in ("1", "2"):
        write(tmp_path, {"main.js": f'const BUILD = "development";\nexport default {body};\n'})
        builds.append(bundle(tmp_path, PurePosixPath("main.js")).splitlines()[1])
    assert builds[0] != builds[1]
    assert "development" not in "".join(builds)


def test_the_widgets_module_is_one_text_without_imports() -> None:
    text = str(RemoteFrameBuffer._esm)
    assert "\nimport " not in text
    assert text.rstrip().endswith("export default _notebook_cell.default;")
