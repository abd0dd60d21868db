"""What people install: the wheel and the source distribution."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import psutil
import pytest
from framehub import _esm
from framehub._server import Server
from PIL import Image
from real_server import Browser, binary
from until import until

ROOT = Path(__file__).parents[2]
PROGRAM = "framehub-{version}.data/scripts/framehub"
WIDGET = """
import json
import framehub, numpy as np
from framehub import _esm

class Plot(framehub.RemoteFrameBuffer):
    def get_frame(self):
        return np.full((8, 10), 77, np.uint8)

plot = Plot()
print(json.dumps({"url": plot.url, "package": framehub.__file__, "module": _esm.source()}), flush=True)
framehub.run()
"""


def made(*command: str) -> None:
    """Runs a program that makes distributions, without compiling and without the network."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CARGO": str(Path(__file__).parent / "built_cargo.py"),
        "CARGO_NET_OFFLINE": "true",
        "FRAMEHUB_BIN": str(binary().resolve()),
    }
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def wheel_of(source: Path, folder: Path) -> Path:
    """What `pip install SOURCE` makes of it."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel"]
    made(*pip, "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_of(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    made(sys.executable, "-m", "maturin", "sdist", "--out", str(folder))
    (sdist,) = folder.glob("*.tar.gz")
    return sdist


def contents(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def version(wheel: Path) -> str:
    return wheel.name.split("-")[1]


def test_the_wheel_carries_the_package_its_types_the_browsers_modules_and_the_program(wheel: Path) -> None:
    files = contents(wheel)
    package = ROOT / "python" / "framehub"
    modules = [*package.glob("*.py"), package / "py.typed", *package.glob("static/*/*.js")]
    expected = {str(path.relative_to(package.parent)): path.read_bytes() for path in modules}
    assert "framehub/static/notebook/cell.js" in expected
    expected[PROGRAM.format(version=version(wheel))] = binary().read_bytes()
    assert {name: data for name, data in files.items() if ".dist-info/" not in name} == expected
    with ZipFile(wheel) as archive:
        mode = archive.getinfo(PROGRAM.format(version=version(wheel))).external_attr >> 16
    assert mode & 0o111 == 0o111
    # For any Python 3 on a platform: the program is no extension module.
    assert "-py3-none-linux_" in wheel.name
    licenses = {name.rpartition("/")[2] for name in files if "/licenses/" in name}
    assert licenses == {"LICENSE-MIT", "LICENSE-APACHE"}


def test_the_source_distribution_has_what_the_server_and_the_package_need_of_the_browsers_half(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        root = os.path.commonpath(archive.getnames())
        files = {
            str(Path(member.name).relative_to(root)): archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive
            if member.isfile()
        }
    static = [path for path in (ROOT / "static").rglob("*") if path.is_file()]
    for path in static:
        name = str(path.relative_to(ROOT))
        assert files[name] == path.read_bytes()
        # Where the tree has a link to the folder.
        assert files[f"python/framehub/{name}"] == path.read_bytes()
    assert {"Cargo.toml", "Cargo.lock", "pyproject.toml", "src/main.rs", "README.md"} <= files.keys()


def test_the_source_distribution_makes_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    def compared(wheel: Path) -> dict[str, bytes]:
        # The list of what the program is made of names the folder that it was made in.
        return {
            name: data
            for name, data in contents(wheel).items()
            if "/sboms/" not in name and not name.endswith("/RECORD")
        }

    assert compared(wheel_of(sdist, tmp_path)) == compared(wheel)


@contextmanager
def running(python: Path, folder: Path) -> Iterator[dict[str, str]]:
    """Runs the widget's program with nothing that tells it of a server, and ends it with the server that it starts."""
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    environment = {"PATH": os.defpath, "HOME": str(folder), "XDG_RUNTIME_DIR": str(runtime)}
    with subprocess.Popen(
        [str(python), "-c", WIDGET],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            told = runtime / "framehub" / "server.json"
            if told.exists():
                os.kill(json.loads(told.read_text())["pid"], signal.SIGTERM)


def test_an_installed_wheel_starts_its_own_server_and_shows_a_widget(wheel: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "venv"
    venv.create(fresh, symlinks=True)
    python = fresh / "bin" / "python"
    (site,) = fresh.glob("lib/python*/site-packages")
    # What the wheel depends on, of the tests' own environment.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    made(sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", str(wheel))

    with running(python, tmp_path) as told:
        assert Path(told["package"]).is_relative_to(fresh)
        assert told["module"] == _esm.source()
        server = json.loads((tmp_path / "runtime" / "framehub" / "server.json").read_text())
        assert psutil.Process(server["pid"]).exe() == str((fresh / "bin" / "framehub").resolve())
        with Browser(Server(server["url"], server["key"]), told["url"].rsplit("/", 1)[1]) as view:
            view.show()
            (frame,) = until(lambda: view.frames[:1], "the widget's frame arrives")
    image = Image.open(io.BytesIO(frame["data"]))
    assert (image.size, image.convert("L").getextrema()) == ((10, 8), (77, 77))
