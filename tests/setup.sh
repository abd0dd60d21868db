# shellcheck shell=bash
# Installs what tests and checks need, where it is missing. Sourced by tests/run and .ci/run, from the project's root.

# need_debian PACKAGE FILE: installs the Debian package unless its file is there.
need_debian() {
  [[ -e $2 ]] && return
  local as_root=()
  [[ $EUID == 0 ]] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -qq -y --no-install-recommends "$1"
}

# need_node_modules FOLDER: installs the folder's locked packages unless they are those installed last.
need_node_modules() {
  local stamp=$1/node_modules/.installed-lock
  cmp -s "$1/package-lock.json" "$stamp" && return
  (cd "$1" && npm ci --no-audit --no-fund) && cp "$1/package-lock.json" "$stamp"
}

# need_venv FOLDER LOCK: makes a virtual environment of Python with the packages of the lock file, unless it has them.
need_venv() {
  local stamp=$1/.installed-lock
  cmp -s "$2" "$stamp" && return
  python3 -m venv --clear "$1" &&
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement "$2" && cp "$2" "$stamp"
}

# need_crates: has every package of Cargo.lock at hand, those of other platforms as well, for programs that run offline.
need_crates() {
  cargo fetch --locked
}

# need_cargo_tool NAME VERSION FOLDER: builds FOLDER/NAME-VERSION/bin/NAME from the crates' registry unless it is there.
# Without optimisation: such a tool is compiled more often than it has work to do.
need_cargo_tool() {
  local root=$3/$1-$2
  [[ -x $root/bin/$1 ]] && return
  cargo install --quiet --locked --debug --config 'profile.dev.debug=false' \
    --version "$2" --root "$root" --target-dir "$root/build" "$1" && rm -rf "$root/build"
}
