#!/usr/bin/env bash
# Builds whisper.cpp from its npm package as static libraries in .build/whisper (include, lib, ldflags),
# for the processor of this machine: build where it will run.
#   CUDA=1        for NVIDIA GPUs; needs the CUDA toolkit (nvcc)
#   CUDA_ARCHS=   which GPU generations, in CMake's words: "90;120" (default: the GPU of this machine)
#   CLI=1         also bin/whisper-cli, to compare with
#   STOCK=1       only a whisper-cli, by whisper.cpp's own defaults, in .build/whisper-stock: what make bench-stt compares with
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

source_dir=$BUILD/npm/node_modules/nodejs-whisper/cpp/whisper.cpp
CUDA=${CUDA:-0} CLI=${CLI:-0} STOCK=${STOCK:-0} CUDA_ARCHS=${CUDA_ARCHS:-}
[ "$STOCK" = 1 ] && to=$BUILD/whisper-stock CLI=1 || to=$BUILD/whisper
work=$to-cmake
log=$BUILD/log/$(basename "$to").log

# GGML_OPENMP off: ggml's own threads, so that nothing but libc, libm and libstdc++ is needed at run time.
# GGML_LLAMAFILE on: its matrix kernels take a base encode from 2.4 s to 1.4 s on two AVX2 cores.
kernels=(-DGGML_OPENMP=OFF -DGGML_LLAMAFILE=ON)
[ "$STOCK" != 1 ] || kernels=()
options=(
  -DCMAKE_BUILD_TYPE=Release
  -DCMAKE_INSTALL_LIBDIR=lib
  -DBUILD_SHARED_LIBS=OFF
  "${kernels[@]}"
  -DGGML_CCACHE=OFF
  -DWHISPER_BUILD_TESTS=OFF
  -DWHISPER_BUILD_SERVER=OFF
)
patch=$(realpath "$(dirname "${BASH_SOURCE[0]}")/whisper.patch")
[ "$STOCK" != 1 ] || patch=
# The libraries need each other in a circle, hence the group.
libs="-lwhisper -lggml -lggml-cpu -lggml-base" system=
if [ "$CUDA" = 1 ]; then
  options+=(-DGGML_CUDA=ON -DGGML_CUDA_NCCL=OFF ${CUDA_ARCHS:+-DCMAKE_CUDA_ARCHITECTURES="$CUDA_ARCHS"})
  cuda=${CUDA_HOME:-/usr/local/cuda}
  libs+=" -lggml-cuda"
  system=" -L$cuda/lib64 -L$cuda/lib64/stubs -lcudart_static -lcublas -lcublasLt -lcuda -ldl -lrt -lpthread"
fi
ldflags="-L$to/lib -Wl,--start-group $libs -Wl,--end-group$system"

processor=$(uname -m; grep -m 1 -E '^(flags|Features)' /proc/cpuinfo || true)
now=$(stamp "$source_dir/CMakeLists.txt" "$source_dir/src/whisper.cpp" "$processor" "${options[@]}" "$ldflags" ${patch:+"$patch"})
if [ "$(cat "$to/.stamp" 2>/dev/null)" = "$now" ] && { [ "$CLI" != 1 ] || [ -x "$to/bin/whisper-cli" ]; }; then
  say "already built"
  exit 0
fi
[ -e "$source_dir/CMakeLists.txt" ] || die "no whisper.cpp source; run deploy/setup/npm.sh first"
need cmake "run deploy/setup/apt.sh first"
need g++ "run deploy/setup/apt.sh first"
need patch "run deploy/setup/apt.sh first"
[ "$CUDA" != 1 ] || [ -x "$cuda/bin/nvcc" ] || need nvcc "install the CUDA toolkit or set CUDA_HOME"

[ "$CLI" = 1 ] && options+=(-DWHISPER_BUILD_EXAMPLES=ON) || options+=(-DWHISPER_BUILD_EXAMPLES=OFF)
say "building with $(nproc) cores$([ "$CUDA" = 1 ] && echo ', CUDA')"
rm -rf "$work" "$to.new"
mkdir -p "$work" && cp -R "$source_dir" "$work/source" || die "cannot copy whisper.cpp's source to $work"
[ -z "$patch" ] || logged "$log" patch -d "$work/source" -p1 -i "$patch" || die "deploy/setup/whisper.patch is for whisper.cpp 1.9.1: $WHY"
PATH=$PATH:${cuda:-}/bin logged "$log" cmake -S "$work/source" -B "$work/build" "${options[@]}" ||
  die "cmake could not configure whisper.cpp: $WHY"
logged "$log" cmake --build "$work/build" -j "$(nproc)" || die "whisper.cpp did not compile: $WHY"
logged "$log" cmake --install "$work/build" --prefix "$to.new" || die "whisper.cpp did not install: $WHY"
echo "$ldflags" >"$to.new/ldflags"
echo "$now" >"$to.new/.stamp"
# Whole or not at all: a failed build leaves the one before.
rm -rf "$to" && mv "$to.new" "$to"
rm -rf "$work"
