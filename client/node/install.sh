#!/bin/sh
# Installs Tessera without any network from the folder that holds this file: sh install.sh [FOLDER], ./tessera without.
# Only what SHA256SUMS lists is installed; a half-finished FOLDER is begun again, any other is left alone.
set -eu
umask 022 # the users of services run it too, whatever the umask of who installs it
unset PYTHONPATH PYTHONHOME

fail() {
    echo "error: $*" >&2
    exit 1
}

pip_install() {
    PIP_CONFIG_FILE=/dev/null "$target/.venv/bin/python" -m pip --isolated --disable-pip-version-check \
        install --quiet --no-index "$@"
}

target=${1:-tessera}
case $target in /*) ;; *) target=$PWD/$target ;; esac
cd "$(dirname "$0")"

echo "1/5 the files are those of SHA256SUMS"
sha256sum --check --quiet SHA256SUMS || fail "this folder is damaged or incomplete: carry it over again"
wheels=$(sed -n 's|^[0-9a-f]*  \(wheels/.*\)|\1|p' SHA256SUMS)
source=$(sed -n 's|^[0-9a-f]*  \(tessera-.*\)|\1|p' SHA256SUMS)

echo "2/5 this machine can run them"
version=3.$(echo "$wheels" | sed -n 's|^wheels/torch-.*-cp3\([0-9]*\)-cp3.*|\1|p')
python=${PYTHON:-python$version}
command -v "$python" >/dev/null ||
    fail "$python is not there: install Python $version, or say where it is: PYTHON=/path/to/python$version sh install.sh"
found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$found" = "$version" ] || fail "$python is Python $found, and this folder is for Python $version: set PYTHON to that one"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python lacks its venv module: install the system's package for it (Debian, Ubuntu: python$version-venv)"
# The wheel of `packaging` knows pip's rules, and runs from the file.
# shellcheck disable=SC2086 # a wheel's name holds no blank
PYTHONPATH=$(echo "$wheels" | grep '^wheels/packaging-') "$python" - $wheels <<'END' ||
import platform, sys
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename
fitting = set(sys_tags())
names = [path.split("/")[1] for path in sys.argv[1:]]
foreign = [name for name in names if fitting.isdisjoint(parse_wheel_filename(name)[3])]
sys.exit(f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}; not for it: {', '.join(foreign)}"
         if foreign else 0)
END
    fail "these packages are for another kind of machine: run \`make wheelhouse\` on one like this"

if [ -e "$target/.unfinished" ]; then
    find "$target" -mindepth 1 -delete
elif [ -e "$target" ] && [ -n "$(ls -A "$target")" ]; then
    fail "$target holds something already: name another folder, or remove it first"
fi
mkdir -p "$target"
touch "$target/.unfinished"

echo "3/5 the source, $source, into $target"
tar -xzf "$source" -C "$target" --strip-components=1

echo "4/5 $(echo "$wheels" | wc -l) packages: a minute or two"
"$python" -m venv "$target/.venv"
# shellcheck disable=SC2086
pip_install $wheels
pip_install --no-build-isolation --editable "$target[slides,encoders]" # the site approves and runs the code that it can read there

echo "5/5 it runs, without Ray"
cd "$target"
TORCHINDUCTOR_CACHE_DIR=$target/.venv/torchinductor .venv/bin/python -c '
import sys
import client.app, client.cli, server.app, server.cli
import cv2, h5py, imagecodecs, openslide, tifffile, torch_geometric
sys.exit("ray was loaded" if "ray" in sys.modules else 0)'
.venv/bin/flower-supernode --help >/dev/null
.venv/bin/tessera-client --help
rm .unfinished
echo "installed: $target/.venv/bin/tessera-client"
