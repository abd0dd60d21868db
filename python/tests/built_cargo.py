#!/usr/bin/env python3
"""Stands in for `cargo` where maturin would compile the program: answers that `FRAMEHUB_BIN` is what came of it.

All tests share one build of the program. Maturin's own would be another: `cargo rustc` asks less of the dependencies
that tests need, too, and would compile again whatever depends on those.
"""

import json
import os
import subprocess
import sys

# What of maturin's orders matters here. Anything else would be another program than the one at hand.
EXPECTED = ["--profile", "release", "--bin", "framehub"]


def main() -> None:
    command, *options = sys.argv[1:]
    if command != "rustc":
        os.execvp("cargo", ["cargo", command, *options])
    manifest = options[options.index("--manifest-path") + 1]
    for name, value in zip(EXPECTED[::2], EXPECTED[1::2], strict=True):
        if options[options.index(name) + 1] != value:
            sys.exit(f"maturin does not ask for {name} {value}: {options}")
    metadata = ["cargo", "metadata", "--no-deps", "--offline", "--format-version=1", "--manifest-path", manifest]
    (package,) = json.loads(subprocess.check_output(metadata))["packages"]
    (target,) = (target for target in package["targets"] if target["kind"] == ["bin"])
    program = os.environ["FRAMEHUB_BIN"]
    artifact = {
        "reason": "compiler-artifact",
        "package_id": package["id"],
        "manifest_path": manifest,
        "target": target,
        "profile": {"opt_level": "3", "debug_assertions": False, "overflow_checks": False, "test": False},
        "features": [],
        "filenames": [program],
        "executable": program,
        "fresh": True,
    }
    print(json.dumps(artifact))
    print(json.dumps({"reason": "build-finished", "success": True}))


if __name__ == "__main__":
    main()
