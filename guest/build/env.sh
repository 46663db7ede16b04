# Sourced by the scripts of this folder: where things are, and what makes a build repeatable.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
guest=$(dirname "$here")
# A work folder outside the repository, so that a second build never sees the first one's files by accident.
work=${POSTERN_GUEST_WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/postern-guest-build}
mkdir -p "$work"
work=$(cd "$work" && pwd)

# Every date that a compiler or a packer would write becomes this one (CPython 3.13.5's release day).
export SOURCE_DATE_EPOCH=1749600000
export LC_ALL=C TZ=UTC PYTHONHASHSEED=0
umask 022

jobs=$(nproc)
python_version=3.13.5

say() { printf '\033[1m%s\033[0m\n' "guest: $*" >&2; }

# done_once NAME: false when the step NAME has already succeeded in this work folder.
done_once() { [ ! -e "$work/.done-$1" ]; }
mark_done() { touch "$work/.done-$1"; }

# A clang resource folder of our own: Debian's clang 19 looks for the wasm builtins under another name than Debian
# installs them. Everything else in it is Debian's, by links.
toolchain() {
  local from
  from=$(clang-19 -print-resource-dir)
  resource="$work/resource"
  mkdir -p "$resource/lib/wasm32-unknown-wasip1"
  ln -sfn "$from/include" "$resource/include"
  ln -sf "$from/lib/wasi/libclang_rt.builtins-wasm32.a" \
    "$resource/lib/wasm32-unknown-wasip1/libclang_rt.builtins.a"
  sysroot="$work/sysroot"
  target_flags=(--target=wasm32-wasip1 "--sysroot=$sysroot" -resource-dir "$resource"
    "-ffile-prefix-map=$work=/build" "-ffile-prefix-map=$guest=/guest")
}
