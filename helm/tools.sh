#!/usr/bin/env bash
# Builds what `make chart` uses and a machine may lack, from Go modules: about five minutes each, once.
set -uo pipefail
tools="${XDG_CACHE_HOME:-$HOME/.cache}/penstock/tools"
mkdir -p "$tools"
build() { # NAME MODULE@VERSION
  command -v "$1" >/dev/null || [ -x "$tools/$1" ] && return
  command -v go >/dev/null || { echo "$1: neither it nor Go is here; what needs it is skipped"; return; }
  echo "building $1 into $tools"
  GOBIN="$tools" nice go install -ldflags '-s -w' "$2" || echo "$1: could not be built; what needs it is skipped"
}
build helm helm.sh/helm/v3/cmd/helm@v3.19.0
build kube-score github.com/zegl/kube-score/cmd/kube-score@v1.20.0
