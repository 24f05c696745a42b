#!/usr/bin/env bash
# Installs edge as a service on Debian 12/13, Raspberry Pi OS 12/13 (64 bit) and Ubuntu 22.04+ (JetPack 6).
#
#   sudo deploy/install.sh [options]           install, or upgrade what is there; run it as often as you like
#   sudo deploy/install.sh rollback            go back to the release before
#   sudo deploy/install.sh uninstall [--purge] remove the programs; --purge: settings, certificates and alerts, too
#   deploy/install.sh bundle DIR [--arch ARCH] [--python 3.11]
#                                              a folder to carry to a box without a network: wheels, this script, the unit
# options
#   --wheels DIR         install from a folder that `bundle` made; nothing is fetched from a package index
#   --broker HOST[:PORT] where alerts go (first installation only; default 127.0.0.1:1883)
#   --with-broker        install Debian's mosquitto on this box and use it, for a first try: it listens on this box only
#   --certificates DIR   the folder that `edge pki issue node NAME` made: TLS, port 8883, and the node's name
#   --node NAME          name of this box (default: the certificate's, else the host's)
#   --source SOURCE      the camera, where it is none on USB: rtsp://..., footage:FILE
#   --demo               no camera yet: a shipped clip plays as if it were one
#   --tools              also OpenCV and scipy, which only a camera that moves (a drone) needs; upgrades keep them
#   --dry-run            only say what would be done
#
# /opt/edge/releases/ID   one environment a release; `current` and `previous` point into it
# /etc/edge/node.toml     yours: written once, never overwritten
# /etc/edge/packages.txt  yours, where you make it: pip requirements that go over every release, such as another ONNX Runtime
# /etc/edge/pki           certificates
# /var/lib/edge           the only folder the service writes
#
# Tests set EDGE_ROOT (everything below this folder, no users), EDGE_SYSTEMCTL (another systemctl), EDGE_PYTHON (the only
# Python to try) and EDGE_SETTLE_S (how long an upgrade must stay up).
set -euo pipefail
umask 022

readonly ROOT=${EDGE_ROOT:-}
readonly OPT=$ROOT/opt/edge ETC=$ROOT/etc/edge STATE=$ROOT/var/lib/edge
readonly UNIT=$ROOT/etc/systemd/system/edge.service LINK=$ROOT/usr/local/bin/edge
readonly CONFIG=$ETC/node.toml PACKAGES=$ETC/packages.txt
readonly SYSTEMCTL=${EDGE_SYSTEMCTL:-systemctl}
readonly NEEDED_MB=900 # what a release takes while it is being built; 350 MB stay
readonly PACKAGE=edge-thermal
HERE=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")" && pwd)
readonly HERE

WHEELS='' BROKER='' BROKER_HOST='' BROKER_PORT='' WITH_BROKER='' CERTIFICATES='' NODE='' SOURCE='' DRY='' PURGE='' ARCH='' BUNDLE=''
DEMO='' TOOLS='' SAID='' PYTHON='' BUNDLE_PYTHON='' RELEASE='' WORK='' PARTIAL=''

say() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}
usage() {
  sed -n '2,24s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}
# do what is said, or only say it
act() {
  if [ -n "$DRY" ]; then note "would: $*"; else "$@"; fi
}

clean() {
  local status=$?
  [ -z "$WORK" ] || rm -rf "$WORK"
  [ -z "$PARTIAL" ] || rm -rf "$PARTIAL"
  return $status
}

# ---- the machine -----------------------------------------------------------------------------------------------------

check_machine() {
  [ -n "$ROOT" ] || [ "$(id -u)" = 0 ] || die "needs root: sudo $0 $*"
  [ "$(getconf LONG_BIT)" = 64 ] ||
    die "this is a 32-bit system, for which there is no ONNX Runtime: put the 64-bit Raspberry Pi OS on the card"
  case $(uname -m) in
  x86_64 | aarch64) ;;
  *) die "$(uname -m) processors are not supported: edge runs on x86_64 and aarch64" ;;
  esac
  check_system
  [ -n "$ROOT" ] || [ -d /run/systemd/system ] || die "this system was not started by systemd, which runs the service"
}

check_system() {
  local id='' version=''
  if [ -r /etc/os-release ]; then
    # shellcheck source=/dev/null
    id=$(. /etc/os-release && printf %s "${ID:-}")
    # shellcheck source=/dev/null
    version=$(. /etc/os-release && printf %s "${VERSION_ID:-}")
  fi
  case $id:$version in
  debian:1[2-9] | raspbian:1[2-9] | ubuntu:2[2-9].* | debian:) ;;
  *) note "this is ${id:-an unknown system} ${version}; meant are Debian and Raspberry Pi OS 12, 13, Ubuntu 22.04 and later" ;;
  esac
}

good_python() {
  command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}
has_venv() {
  "$1" -c 'import ensurepip, venv' 2>/dev/null && pip_of "$1" >/dev/null
}
# The pip that comes with this Python, as one file: it is run from there and never copied into a release.
pip_of() {
  local folder file
  folder=$("$1" -c 'import ensurepip, os; print(os.path.dirname(ensurepip.__file__))')
  for file in "$folder"/_bundled/pip-*.whl /usr/share/python-wheels/pip-*.whl; do
    if [ -f "$file" ]; then
      printf %s "$file"
      return
    fi
  done
  return 1
}

usable_python() {
  [ -n "$PYTHON" ] && has_venv "$PYTHON"
}

# sets PYTHON: the first that is new enough, preferring one that can make environments already
find_python() {
  local name
  PYTHON=''
  for name in ${EDGE_PYTHON:-python3 python3.13 python3.12 python3.11 python3.14}; do
    good_python "$name" || continue
    [ -n "$PYTHON" ] || PYTHON=$name
    if has_venv "$name"; then
      PYTHON=$name
      return
    fi
  done
}

need_python() {
  find_python
  if usable_python; then return; fi
  local package=python3-venv
  # JetPack 6 stands on Ubuntu 22.04, whose python3 is 3.10; its archive (universe) has 3.11 beside it
  [ -n "$PYTHON" ] || package=python3.11-venv
  say "Python: $package is missing, apt-get installs it"
  if [ -n "$DRY" ]; then
    note "would: apt-get install -y $package"
    return
  fi
  apt_install "$package" || die "no Python 3.11 or newer with venv here, and apt-get could not install $package:
  connect the box and run this again, or install it by hand: sudo apt-get install $package"
  find_python
  usable_python || die "$package is installed, and still no Python 3.11 or newer can make an environment"
}

apt_install() {
  [ -z "$ROOT" ] && command -v apt-get >/dev/null || return 1
  local log=$OPT/apt.log
  mkdir -p "$OPT"
  if DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -q "$@" >"$log" 2>&1 ||
    { apt-get -o DPkg::Lock::Timeout=120 update -q >>"$log" 2>&1 &&
      DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -q "$@" >>"$log" 2>&1; }; then
    rm -f "$log"
  else
    tail -5 "$log" >&2
    rm -f "$log"
    return 1
  fi
}

check_space() {
  local free
  free=$(df -Pm "$(existing "$OPT")" | awk 'NR == 2 { print $4 }')
  [ "$free" -ge "$NEEDED_MB" ] ||
    die "$free MB are free at $OPT, and building a release takes $NEEDED_MB MB: make room and run this again"
}
existing() {
  local path=$1
  while [ ! -e "$path" ]; do path=$(dirname "$path"); done
  printf %s "$path"
}

# ---- a release -------------------------------------------------------------------------------------------------------

# The checkout this script lies in, or nothing when it lies in a bundle.
checkout() {
  if [ -f "$HERE/../pyproject.toml" ]; then (cd "$HERE/.." && pwd); fi
}

find_origin() {
  if [ -z "$WHEELS" ] && [ -z "$(checkout)" ] && compgen -G "$HERE/edge_thermal-*" >/dev/null; then WHEELS=$HERE; fi
  if [ -n "$WHEELS" ]; then
    [ -d "$WHEELS" ] || die "--wheels $WHEELS: no such folder"
    compgen -G "$WHEELS/edge_thermal-*" >/dev/null || die "--wheels $WHEELS: no edge_thermal-*.whl in it; make the folder with: deploy/install.sh bundle DIR"
    WHEELS=$(cd "$WHEELS" && pwd)
  elif [ -z "$(checkout)" ]; then
    die "there is no checkout around this script; name a folder of wheels: --wheels DIR"
  fi
}

version_of_origin() {
  if [ -n "$WHEELS" ]; then
    local file
    file=$(cd "$WHEELS" && printf '%s\n' edge_thermal-* | sort -V | tail -1)
    file=${file#edge_thermal-}
    file=${file%.tar.gz}
    printf %s "${file%%-*}"
  else
    sed -n 's/^version = "\(.*\)"/\1/p' "$(checkout)/pyproject.toml" | head -1
  fi
}

# What a release is made of: the same files, Python and compiler give the same release, so nothing is built twice, and a
# box that got a compiler or another Python gets a new one.
content_of_origin() {
  {
    "$PYTHON" -c 'import sys; print(sys.version_info[:2])'
    echo "$TOOLS"
    if command -v c++ >/dev/null; then echo native; fi
    cat "$HERE/edge.service"
    if [ -e "$PACKAGES" ]; then cat "$PACKAGES"; fi
    if [ -n "$WHEELS" ]; then
      (cd "$WHEELS" && find . -maxdepth 1 \( -name '*.whl' -o -name '*.tar.gz' -o -name constraints.txt \) -print0 |
        sort -z | xargs -0 sha256sum --)
    else
      (cd "$(checkout)" && find edge models sample_footage pyproject.toml constraints.txt -type f \
        ! -name '*.py[co]' ! -name '*.so' ! -path '*.egg-info/*' -print0 | sort -z | xargs -0 sha256sum --)
    fi
  } | sha256sum | cut -c1-8
}

build_release() {
  local id target
  if [ -z "$PYTHON" ]; then # only a dry run comes here without
    note "would: build a release with the new Python"
    return
  fi
  id=$(version_of_origin)-$(content_of_origin)
  RELEASE=$id
  target=$OPT/releases/$id
  if [ -f "$target/complete" ]; then
    say "release $id is there already"
    return
  fi
  say "building release $id (Python $("$PYTHON" -c 'import platform; print(platform.python_version())'); a few minutes on a Pi)"
  if [ -n "$DRY" ]; then
    note "would: make $target"
    return
  fi
  check_space
  rm -rf "$target" # what an interrupted run left
  mkdir -p "$OPT/releases"
  WORK=$(mktemp -d "$OPT/work.XXXXXX")
  PARTIAL=$target
  "$PYTHON" -m venv --without-pip "$target" || die "no environment could be made in $target"
  pip_install "$target"
  "$target/bin/edge" --version >/dev/null || die "the new release does not start; see above"
  cp "$HERE/edge.service" "$target"
  if [ -n "$TOOLS" ]; then touch "$target/tools"; fi
  du -sm "$target" | cut -f1 >"$target/size_mb"
  sync -f "$target"
  touch "$target/complete" # last, and after everything else is on the disk: a power cut leaves no half release
  PARTIAL=''
  rm -rf "$WORK"
  WORK=''
  note "$(cat "$target/size_mb") MB in $target"
}

pip_install() {
  local target=$1 from=() package=$PACKAGE constraints
  if [ -n "$WHEELS" ]; then
    from=(--no-index --find-links "$WHEELS")
    constraints=$WHEELS/constraints.txt
  else
    local tree
    tree=$(checkout)
    copy_source "$tree"
    package=$WORK/source
    constraints=$tree/constraints.txt
  fi
  cat "$constraints" >"$WORK/constraints.txt" 2>/dev/null || true # a folder of wheels needs none
  from+=(--no-cache-dir -c "$WORK/constraints.txt")
  pip_into "$target" install "${from[@]}" "$package$TOOLS" || why_pip_failed
  if [ -e "$PACKAGES" ]; then add_packages "$target" "${from[@]}"; fi
}

# What pip says is kept in SAID, in memory: the disk may be what is full.
pip_into() {
  local target=$1
  shift
  SAID=$(TMPDIR=$WORK PYTHONPATH=$(pip_of "$PYTHON") "$target/bin/python" -m pip --disable-pip-version-check --no-input -q "$@" 2>&1) || {
    tail -15 <<<"$SAID" >&2
    return 1
  }
}

add_packages() {
  local target=$1 runtime=''
  shift
  say "adding what $PACKAGES lists"
  if grep -qi '^[^#]*onnxruntime' "$PACKAGES"; then # two that bring one module would lie on top of each other
    runtime=yes
    sed -i '/^onnxruntime/d' "$WORK/constraints.txt"
    pip_into "$target" uninstall -y onnxruntime || true
  fi
  pip_into "$target" install "$@" -r "$PACKAGES" || die "what $PACKAGES lists could not be installed (see above): mend it; what ran before still runs"
  [ -z "$runtime" ] || "$target/bin/python" -c 'import onnxruntime' || die "$PACKAGES: this ONNX Runtime cannot be used; what ran before still runs"
}

# Built in a copy: root leaves nothing in somebody's checkout.
copy_source() {
  local name
  mkdir "$WORK/source"
  for name in edge models sample_footage pyproject.toml README.md LICENSE; do cp -a "$1/$name" "$WORK/source"; done
}

why_pip_failed() {
  if [[ $SAID == *'No space left'* ]]; then die "the disk is full; what ran before still runs"; fi
  if [ -n "$WHEELS" ]; then
    die "the wheels in $WHEELS do not fit this box ($(uname -m), $("$PYTHON" -V)); make the folder for it:
  deploy/install.sh bundle DIR --arch $(uname -m) --python $("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
  fi
  die "the packages could not be installed. Without a network make a folder of wheels on another machine
  (deploy/install.sh bundle DIR) and name it here: --wheels DIR. What ran before still runs."
}

# ---- settings, user, service -----------------------------------------------------------------------------------------

make_user() {
  [ -z "$ROOT" ] || return 0
  if ! getent passwd edge >/dev/null; then
    say "system user edge"
    act useradd --system --user-group --home-dir /var/lib/edge --no-create-home --shell /usr/sbin/nologin edge
  fi
  if ! getent group video >/dev/null; then act groupadd --system video; fi
  act usermod -a -G video edge
}

give() { # give GROUP MODE PATH...
  local group=$1 mode=$2
  shift 2
  chmod "$mode" "$@"
  [ -n "$ROOT" ] || chown "root:$group" "$@"
}

# HOST, HOST:PORT, [IPV6] or [IPV6]:PORT; said before anything is built.
read_broker() {
  local rest=''
  case $BROKER in
  '') return ;;
  \[*\]*)
    BROKER_HOST=${BROKER#\[}
    BROKER_HOST=${BROKER_HOST%%\]*}
    rest=${BROKER#*\]}
    ;;
  *:*:*) die "--broker $BROKER: put an IPv6 address into brackets: [$BROKER]" ;;
  *)
    BROKER_HOST=${BROKER%%:*}
    rest=${BROKER#"$BROKER_HOST"}
    ;;
  esac
  BROKER_PORT=${rest#:}
  [[ -n $BROKER_HOST && $BROKER_PORT =~ ^[0-9]*$ ]] || die "--broker $BROKER: say HOST or HOST:PORT"
}

write_settings() {
  if [ -n "$DRY" ]; then
    [ -e "$CONFIG" ] || note "would: write $CONFIG from the camera that is found"
    return
  fi
  mkdir -p "$ETC/pki" "$STATE"
  give root 755 "$ETC"
  give edge 750 "$ETC/pki"
  [ -n "$ROOT" ] || chown edge:edge "$STATE"
  chmod 750 "$STATE"
  copy_certificates
  if [ -e "$CONFIG" ]; then
    say "$CONFIG is kept as it is"
    [ -z "$BROKER$NODE$SOURCE" ] || note "--broker, --node and --source are for the first installation: change the file instead"
    return
  fi
  first_settings >"$CONFIG.new" || exit 1
  give root 644 "$CONFIG.new"
  sync "$CONFIG.new"
  mv "$CONFIG.new" "$CONFIG"
  say "$CONFIG: $(sed -n 's/^source = //p' "$CONFIG" | head -1)"
}

copy_certificates() {
  [ -n "$CERTIFICATES" ] || return 0
  local name
  for name in ca.crt client.crt client.key; do
    [ -r "$CERTIFICATES/$name" ] || die "--certificates $CERTIFICATES: there is no $name; name the folder that edge pki issue node made"
  done
  for name in ca.crt client.crt client.key; do
    install -m 640 "$CERTIFICATES/$name" "$ETC/pki/$name.new"
    give edge 640 "$ETC/pki/$name.new"
    mv "$ETC/pki/$name.new" "$ETC/pki/$name"
  done
}

node_name() {
  local name=$NODE
  if [ -z "$name" ] && [ -n "$CERTIFICATES" ]; then
    name=$("$OPT/releases/$RELEASE/bin/python" - "$ETC/pki/client.crt" <<'PY'
import sys
from cryptography import x509
from cryptography.x509.oid import NameOID

with open(sys.argv[1], "rb") as file:
    print(x509.load_pem_x509_certificate(file.read()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
PY
    ) || die "--certificates $CERTIFICATES: client.crt cannot be read"
  fi
  [ -n "$name" ] || name=$(hostname -s 2>/dev/null || cat /etc/hostname)
  name=$(printf %s "$name" | tr 'A-Z_. ' 'a-z---' | tr -cd 'a-z0-9-' | sed 's/^-*//; s/-*$//')
  case $name in
  '' | localhost | raspberrypi | debian | ubuntu | jetson | nvidia-desktop) # two of them on one broker would be one
    name=${name:-node}-$(cut -c1-4 /etc/machine-id 2>/dev/null || echo 1)
    ;;
  esac
  printf %s "$name"
}

# The [[camera]] table: what was said, else the first camera that edge can read, else whichever comes first one day.
camera_table() {
  if [ -n "$DEMO" ]; then # a copy: the release that it comes from will be gone one day
    "$OPT/releases/$RELEASE/bin/python" -c 'import sys, shutil; from edge.shipped import shipped
shutil.copyfile(shipped("sample_footage") / "nine-in-snow.mkv", sys.argv[1])' "$STATE/demo.mkv" || exit 1
    chmod 644 "$STATE/demo.mkv"
    SOURCE=footage:$STATE/demo.mkv
  fi
  if [ -n "$SOURCE" ]; then
    printf '[[camera]]\nid = "camera-1"\nsource = %s\n' "$(toml "$SOURCE")"
    case $SOURCE in footage:*) printf 'loop = true\n' ;; esac
    return
  fi
  "$OPT/releases/$RELEASE/bin/edge" cameras --json 2>/dev/null | "$OPT/releases/$RELEASE/bin/python" -c '
import json, sys

cameras = json.load(sys.stdin)["cameras"]
sound = [one for one in cameras if not one["problem"]]
# one whose profile names it is meant for this more than a web camera is
sound.sort(key=lambda one: str(one["profile"]).startswith("generic"))
for one in sound[:1]:
    print("# " + one["name"].replace("\n", " "))
    print(one["section"].replace(f"\"camera-{cameras.index(one) + 1}\"", "\"camera-1\""))
for one in cameras:
    if one not in sound[:1]:
        print("# also there: " + one["name"].replace("\n", " ") + ": source = " + json.dumps(one["source"]))
sys.exit(not sound)
' 2>/dev/null && return
  printf '# no camera was found at the installation: the one that is plugged in is taken\n'
  printf '[[camera]]\nid = "camera-1"\nsource = "usb:auto"\n'
}
toml() {
  printf '"%s"' "$(printf %s "$1" | sed 's/\\/\\\\/g; s/"/\\"/g')"
}

first_settings() {
  local host=${BROKER_HOST:-127.0.0.1} port=$BROKER_PORT node camera
  node=$(node_name) || exit 1
  camera=$(camera_table) || exit 1
  [ -n "$port" ] || port=$([ -n "$CERTIFICATES" ] && echo 8883 || echo 1883)
  cat <<T
# Written once by deploy/install.sh; yours from now on, upgrades leave it alone.
# Every setting: edge check-config --reference. After a change: edge check-config $CONFIG && sudo systemctl restart edge
preset = "border" # few false alerts; "rescue": miss nobody

[node]
id = "$node"

$camera

[delivery]
host = $(toml "$host")
port = $port
outbox_file = "$STATE/outbox.sqlite"
T
  [ -z "$CERTIFICATES" ] || cat <<T
tls = true
tls_ca_file = "$ETC/pki/ca.crt"
tls_cert_file = "$ETC/pki/client.crt"
tls_key_file = "$ETC/pki/client.key"
T
  cat <<T

[model]
engine_cache_folder = "$STATE/engines"
T
}

with_broker() {
  [ -n "$WITH_BROKER" ] || return 0
  say "broker: Debian's mosquitto, on this box only"
  if [ -n "$DRY" ]; then
    note "would: apt-get install -y mosquitto"
    return
  fi
  if ! command -v mosquitto >/dev/null && [ ! -x /usr/sbin/mosquitto ]; then
    apt_install mosquitto || die "apt-get could not install mosquitto; connect the box, or name a broker elsewhere: --broker HOST"
  fi
  "$SYSTEMCTL" enable -q --now mosquitto 2>/dev/null || die "mosquitto does not start: journalctl -u mosquitto"
}

point() { # point NAME RELEASE: in one step, so there is always one
  ln -sfn "releases/$2" "$OPT/$1.new"
  mv -T "$OPT/$1.new" "$OPT/$1"
}
pointed() {
  if [ -L "$OPT/$1" ]; then basename "$(readlink "$OPT/$1")"; fi
}

# Starts what `current` points at, with the unit that came with it; Type=notify makes systemctl wait until the node says
# that it runs.
start_service() {
  local unit=$OPT/current/edge.service
  if ! cmp -s "$unit" "$UNIT"; then
    install -D -m 644 "$unit" "$UNIT"
    "$SYSTEMCTL" daemon-reload
  fi
  "$SYSTEMCTL" enable -q edge
  "$SYSTEMCTL" restart edge
}

# An upgrade must also live through its first frames, which a processor may refuse.
stays_up() {
  local pid
  pid=$("$SYSTEMCTL" show -p MainPID --value edge)
  sleep "${EDGE_SETTLE_S:-10}"
  [ "$("$SYSTEMCTL" show -p MainPID --value edge)" = "$pid" ]
}

switch() {
  local before
  before=$(pointed current)
  if ! "$OPT/releases/$RELEASE/bin/edge" check-config "$CONFIG" >"$OPT/check.log" 2>&1; then
    tail -20 "$OPT/check.log" >&2
    rm -f "$OPT/check.log"
    die "$CONFIG does not fit release $RELEASE: mend it and run this again${before:+; release $before still runs}"
  fi
  rm -f "$OPT/check.log"
  if [ "$before" = "$RELEASE" ]; then
    say "release $RELEASE is in use"
  else
    point current "$RELEASE"
  fi
  mkdir -p "$(dirname "$LINK")"
  if [ ! -e "$LINK" ] || [ -L "$LINK" ]; then ln -sfn "$OPT/current/bin/edge" "$LINK"; fi
  if start_service; then
    if [ -z "$before" ] || [ "$before" = "$RELEASE" ]; then return; fi
    if stays_up; then
      point previous "$before"
      return
    fi
  fi
  "$SYSTEMCTL" --no-pager --lines=15 status edge >&2 || true
  if [ -z "$before" ] || [ "$before" = "$RELEASE" ]; then
    die "the service does not start; see above, and: journalctl -u edge"
  fi
  say "release $RELEASE does not start: back to $before"
  point current "$before"
  start_service || true
  die "release $RELEASE did not start (see above); release $before runs again"
}

# Keeps what runs and what ran before.
remove_old_releases() {
  local path id
  for path in "$OPT"/releases/*; do
    id=$(basename "$path")
    if [ "$id" != "$(pointed current)" ] && [ "$id" != "$(pointed previous)" ]; then rm -rf "$path"; fi
  done
  rm -rf "$OPT"/work.*
}

keep_script() {
  local name
  for name in install.sh edge.service; do
    if ! cmp -s "$HERE/$name" "$OPT/$name"; then
      install -m 755 "$HERE/$name" "$OPT/$name.new"
      mv "$OPT/$name.new" "$OPT/$name"
    fi
  done
}

doctor() {
  "$OPT/current/bin/edge" doctor --help >/dev/null 2>&1 || return 0
  say "edge doctor"
  "$OPT/current/bin/edge" doctor "$CONFIG" || note "the service runs all the same; what is said above is worth mending"
}

broker_of_settings() {
  "$OPT/current/bin/python" -c '
import sys, tomllib

with open(sys.argv[1], "rb") as file:
    delivery = tomllib.load(file).get("delivery", {})
print(delivery.get("host", "127.0.0.1"), delivery.get("port", 1883), "tls" if delivery.get("tls") else "")
' "$CONFIG"
}

tell() {
  local host port tls
  read -r host port tls <<<"$(broker_of_settings)"
  say "edge $(pointed current) runs"
  note "alerts:    edge subscribe --host $host --port $port${tls:+   (with the certificate of a station: --config FILE)}"
  note "its state: systemctl status edge     its log: journalctl -u edge -f"
  note "settings:  $CONFIG (then: sudo systemctl restart edge)"
  note "undo:      sudo $OPT/install.sh rollback | uninstall"
  # shellcheck disable=SC2016
  if ! timeout 5 bash -c 'exec 3<>"/dev/tcp/$1/$2"' _ "$host" "$port" 2>/dev/null; then
    note "no broker answers at $host:$port yet: alerts wait on this box. For a first try on this box: --with-broker"
  fi
}

# ---- what can be asked for -------------------------------------------------------------------------------------------

lock() {
  [ -z "$DRY" ] || return 0
  mkdir -p "$OPT"
  exec 9>"$OPT/lock"
  flock -n 9 || die "another installation is at work here"
}

do_install() {
  check_machine "$@"
  read_broker
  find_origin
  [ -f "$HERE/edge.service" ] || die "$HERE/edge.service is missing: the script and the unit belong together"
  lock
  need_python
  if [ -e "$OPT/current/tools" ]; then TOOLS='[tools]'; fi
  build_release
  make_user
  with_broker
  write_settings
  if [ -n "$DRY" ]; then
    note "would: point $OPT/current at the release, start the service"
    return
  fi
  switch
  remove_old_releases
  keep_script
  doctor
  tell
}

do_rollback() {
  check_machine "$@"
  lock
  local current previous
  current=$(pointed current)
  previous=$(pointed previous)
  [ -f "$OPT/releases/${previous:-none}/complete" ] || die "there is no release before ${current:-this one} to go back to"
  say "back from $current to $previous"
  [ -z "$DRY" ] || return 0
  point current "$previous"
  point previous "$current"
  start_service || die "release $previous does not start either: journalctl -u edge"
  say "edge $previous runs"
}

do_uninstall() {
  check_machine "$@"
  lock
  say "stopping and removing the service and $OPT"
  if [ -e "$UNIT" ]; then
    act "$SYSTEMCTL" disable --now -q edge || true
    act rm -f "$UNIT"
    act "$SYSTEMCTL" daemon-reload
  fi
  if [ -L "$LINK" ] && [ "$(readlink "$LINK")" = "$OPT/current/bin/edge" ]; then act rm -f "$LINK"; fi
  act rm -rf "$OPT"
  if [ -z "$PURGE" ]; then
    note "$ETC (settings, certificates) and $STATE (alerts not yet delivered) are kept; uninstall --purge removes them"
    return
  fi
  act rm -rf "$ETC" "$ROOT/etc/systemd/system/edge.service.d"
  if [ -d "$STATE" ]; then # it may be a file system of its own, which can be emptied and not removed
    act find "$STATE" -mindepth 1 -delete
    act rmdir "$STATE" 2>/dev/null || note "$STATE is emptied; it is a mount of its own"
  fi
  if [ -z "$ROOT" ] && getent passwd edge >/dev/null; then act userdel edge; fi
  say "nothing of edge is left"
}

do_bundle() {
  [ -n "$(checkout)" ] || die "bundle: run it in a checkout"
  [ -n "$BUNDLE" ] || die "bundle: name the folder to make"
  find_python
  usable_python || die "bundle: needs Python 3.11 or newer with venv (apt-get install python3-venv)"
  WORK=$(mktemp -d)
  PYTHONPATH=$(pip_of "$PYTHON")
  export PYTHONPATH
  local pip=("$PYTHON" -m pip --disable-pip-version-check --no-input) tree
  tree=$(checkout)
  [ -n "$DRY" ] || copy_source "$tree"
  say "wheels for ${ARCH:-$(uname -m)}, Python ${BUNDLE_PYTHON:-$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')}"
  if [ -z "$DRY" ]; then
    mkdir -p "$BUNDLE"
    rm -f "$BUNDLE"/*.whl "$BUNDLE"/*.tar.gz
  fi
  if [ -z "$DRY$BUNDLE_PYTHON" ] && [ "${ARCH:-$(uname -m)}" = "$(uname -m)" ]; then
    "${pip[@]}" wheel -q -c "$tree/constraints.txt" -w "$BUNDLE" "$WORK/source$TOOLS" || die "bundle: see above"
  else
    foreign_wheels "$tree"
  fi
  [ -z "$DRY" ] || return 0
  cp "$tree/constraints.txt" "$HERE/install.sh" "$HERE/edge.service" "$BUNDLE"
  say "$BUNDLE ($(du -sm "$BUNDLE" | cut -f1) MB): carry it to the box, and there: sudo bash install.sh"
}

# For another processor or Python: our own package goes as source, and is compiled on the box where a compiler is.
foreign_wheels() {
  local tree=$1 arch=${ARCH:-$(uname -m)} python=$BUNDLE_PYTHON glibc needs fit
  [ -n "$python" ] || python=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  fit=(--only-binary :all: --implementation cp --python-version "$python" --platform "manylinux2014_$arch")
  # Debian 12 has glibc 2.36, Ubuntu 22.04 has 2.35
  for glibc in 17 24 26 27 28 31 34 35; do fit+=(--platform "manylinux_2_${glibc}_$arch"); done
  mapfile -t needs < <("$PYTHON" -c '
import sys, tomllib

with open(sys.argv[1], "rb") as file:
    told = tomllib.load(file)
more = told["project"]["optional-dependencies"]["tools"] if sys.argv[2] else []
print(*told["project"]["dependencies"], *more, *told["build-system"]["requires"], sep="\n")' "$tree/pyproject.toml" "$TOOLS")
  if [ -n "$DRY" ]; then
    "${pip[@]}" install --dry-run --target "$WORK/none" -c "$tree/constraints.txt" "${fit[@]}" "${needs[@]}" ||
      die "bundle: no wheels for $arch and Python $python; see above"
    return
  fi
  "${pip[@]}" download -q -c "$tree/constraints.txt" "${fit[@]}" -d "$BUNDLE" "${needs[@]}" ||
    die "bundle: no wheels for $arch and Python $python; see above"
  "${pip[@]}" install -q --target "$WORK/setuptools" setuptools || die "bundle: see above"
  (cd "$WORK/source" && PYTHONPATH=$WORK/setuptools "$PYTHON" -c \
    'import setuptools.build_meta as build; build.build_sdist("../dist")' >"$WORK/sdist.log" 2>&1) ||
    { tail -5 "$WORK/sdist.log" >&2 && die "bundle: our own package could not be packed; see above"; }
  cp "$WORK"/dist/*.tar.gz "$BUNDLE"
}

main() {
  local command=install
  case ${1:-} in
  install | upgrade | rollback | uninstall | bundle)
    command=$1
    shift
    ;;
  esac
  if [ "$command" = upgrade ]; then command=install; fi
  while [ $# -gt 0 ]; do
    case $1 in
    --wheels | --broker | --certificates | --node | --source | --arch | --python)
      [ $# -ge 2 ] || die "$1: a value is missing"
      case $1 in
      --wheels) WHEELS=$2 ;;
      --broker) BROKER=$2 ;;
      --certificates) CERTIFICATES=$2 ;;
      --node) NODE=$2 ;;
      --source) SOURCE=$2 ;;
      --arch) ARCH=$2 ;;
      --python) BUNDLE_PYTHON=$2 ;;
      esac
      shift
      ;;
    --with-broker) WITH_BROKER=yes ;;
    --demo) DEMO=yes ;;
    --tools) TOOLS='[tools]' ;;
    --dry-run) DRY=yes ;;
    --purge) PURGE=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      if [ "$command" = bundle ] && [ -z "$BUNDLE" ] && [ "${1#-}" = "$1" ]; then
        BUNDLE=$1
      else
        printf 'install.sh: unknown: %s\n\n' "$1" >&2
        usage >&2
        exit 2
      fi
      ;;
    esac
    shift
  done
  trap clean EXIT
  trap 'exit 130' INT TERM HUP
  "do_$command" "$@"
}

main "$@"
