#!/bin/sh
# Upgrades an OSTree host to what the release log of its publisher has, and to nothing else.
#
#   sh upgrade.sh [-n] -p POLICY [-s FOLDER] [-u URL] REMOTE:REF [OPTION...]
#
# Pulls the newest commit without its files, and refuses it unless it is in the log as it is served now (verify.sh, beside this
# script), and unless this log continues the one that the host saw last. Then the host is upgraded to this very commit.
# POLICY says which log and which witnesses to trust (c2sp.org/tlog-policy).
# FOLDER has what the host saw last (default: /var/lib/release-log); the first time whatever the log is then is remembered.
# URL is where log/ and repo/ are published; by default that of the remote without /repo.
# OPTIONs are those of "ostree admin upgrade", or of "rpm-ostree deploy" where that is installed. -n: check and remember only.
# Exit code: 0 the host follows the log, 1 refused or failed, nothing was deployed; 2 the command line is wrong.
# Needs curl, ostree and what verify.sh needs, with od.

LC_ALL=C; export LC_ALL
set -f

usage() { echo 'usage: upgrade.sh [-n] -p POLICY [-s FOLDER] [-u URL] REMOTE:REF [OPTION...]' >&2; exit 2; }
no() { echo "refused: $*; nothing was deployed" >&2; exit 1; }

policy='' folder=/var/lib/release-log url='' check=''
while getopts :np:s:u: option; do
  case $option in
    n) check=only ;;
    p) policy=$OPTARG ;;
    s) folder=$OPTARG ;;
    u) url=$OPTARG ;;
    *) usage ;;
  esac
done
shift "$((OPTIND - 1))"
[ -n "$policy" ] && [ "$#" -ge 1 ] || usage
refspec=$1 remote=${1%%:*} ref=${1#*:}
shift
[ -n "$ref" ] && [ "$remote:$ref" = "$refspec" ] || usage
case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
repo=${OSTREE_SYSROOT%/}/ostree/repo

t=$(mktemp -d) || no 'there is no room for temporary files'
trap 'rm -rf "$t"' EXIT
trap 'exit 1' HUP INT TERM

# Fetches a file of the log. $t/status has what the server answered.
get() { curl -fsSL --retry 2 --connect-timeout 30 --speed-time 60 --speed-limit 1 -w '%{http_code}' -o "$t/part" "$url/log/$1" > "$t/status" 2> "$t/why" && mv "$t/part" "$2"; }

octal() { od -An -v -to1 | tr -d '\n' | tr ' ' '\\'; }

# The hash of a node that has these two below it.
above() { printf '\001'"$1$2" | openssl dgst -sha256 -binary | octal; }

# Gets a tile, which has hashes of up to 256 nodes. The partial one of this size may have made room for the whole one.
tile() (
  out=$t/tile-$1-$2
  [ ! -f "$out" ] || exit 0
  name=$(printf '%03d' "$(($2 % 1000))") rest=$(($2 / 1000))
  while [ "$rest" -gt 0 ]; do name=$(printf 'x%03d/%s' "$((rest % 1000))" "$name") rest=$((rest / 1000)); done
  width=$size level=$1
  while [ "$level" -gt 0 ]; do width=$((width / 256)) level=$((level - 1)); done
  width=$((width - $2 * 256))
  [ "$width" -lt 256 ] && get "tile/$1/$name.p/$width" "$out" && exit 0
  get "tile/$1/$name" "$out"
)

# The nodes of a tile, or those that many levels above them, as octal escapes: a line each. One openssl for a level.
nodes() (
  cd "$t" || exit 1
  out=nodes-$1-$2-$3
  [ ! -f "$out" ] || exit 0
  if [ "$3" -eq 0 ]; then
    tile "$1" "$2" || exit 1
    od -An -v -to1 "tile-$1-$2" | awk '{ for (i = 1; i <= NF; i++) printf "\\%s%s", $i, ++n % 32 ? "" : "\n" }' > "$out"
    exit
  fi
  nodes "$1" "$2" "$(($3 - 1))" || exit 1
  pairs=''
  while read -r left && read -r right; do
    pairs="$pairs pair-${#pairs}"
    printf '\001'"$left$right" > "${pairs##* }"
  done < "nodes-$1-$2-$(($3 - 1))"
  [ -n "$pairs" ] || exit 1
  openssl dgst -sha256 -r $pairs | awk '{
    for (i = 1; i < 64; i += 2) printf "\\%03o", (index(d, substr($1, i, 1)) - 1) * 16 + index(d, substr($1, i + 1, 1)) - 1
    print ""
  }' d=0123456789abcdef > "$out"
)

# The hash of the node with that height and index.
node() (
  level=$(($1 / 8)) height=$(($1 % 8)) width=$((256 >> ($1 % 8)))
  nodes "$level" "$(($2 / width))" "$height" || exit 1
  sed -n "$(($2 % width + 1))p" "$t/nodes-$level-$(($2 / width))-$height" | tr -d '\n'
)

# The largest power of two below a number of entries: where their tree divides (RFC 9162, 2.1.1).
half() { k=1; while [ "$((k * 2))" -lt "$1" ]; do k=$((k * 2)); done; }

# The root of the tree of the entries from the first number on, up to the second.
tree() (
  half "$(($2 - $1))"
  if [ "$(($2 - $1))" -eq 1 ]; then node 0 "$1"
  elif [ "$((k * 2))" -eq "$(($2 - $1))" ]; then
    height=0
    while [ "$k" -gt 0 ]; do k=$((k / 2)) height=$((height + 1)); done
    node "$height" "$(($1 / ($2 - $1)))"
  else
    left=$(tree "$1" "$(($1 + k))") && right=$(tree "$(($1 + k))" "$2") || exit 1
    above "$left" "$right"
  fi
)

# The hashes on the way from an entry to the root of the entries from a number on, up to another: a line each, that of its sibling first.
way() (
  [ "$(($3 - $2))" -gt 1 ] || exit 0
  half "$(($3 - $2))"
  middle=$(($2 + k))
  if [ "$1" -lt "$middle" ]; then way "$1" "$2" "$middle" && hash=$(tree "$middle" "$3") || exit 1
  else way "$1" "$middle" "$3" && hash=$(tree "$2" "$middle") || exit 1; fi
  printf "$hash" | openssl base64 -A && echo
)

# From the same nodes, the roots of the first so many entries, and of all, of those from a number on, up to another (RFC 9162, 2.1.4).
roots() (
  if [ "$1" -eq "$(($3 - $2))" ]; then
    hash=$(tree "$2" "$3") && printf '%s %s\n' "$hash" "$hash"
    exit
  fi
  half "$(($3 - $2))"
  middle=$(($2 + k))
  if [ "$1" -le "$k" ]; then
    both=$(roots "$1" "$2" "$middle") && hash=$(tree "$middle" "$3") || exit 1
    printf '%s %s\n' "${both% *}" "$(above "${both#* }" "$hash")"
  else
    hash=$(tree "$2" "$middle") && both=$(roots "$(($1 - k))" "$middle" "$3") || exit 1
    printf '%s %s\n' "$(above "$hash" "${both% *}")" "$(above "$hash" "${both#* }")"
  fi
)

entries() { case $1 in 1) echo '1 entry' ;; *) echo "$1 entries" ;; esac; }

# Size and root (octal escapes) of a checkpoint.
head_of() {
  set -- "$(sed -n 2p "$1")" "$(sed -n 3p "$1")"
  case $1 in '' | 0?* | *[!0-9]* | ????????????????*) return 1 ;; esac
  set -- "$1" "$(printf %s "$2" | openssl base64 -d -A 2> /dev/null | octal)"
  [ "${#2}" -eq 128 ] && printf '%s %s\n' "$1" "$2"
}

[ -n "$url" ] || url=$(ostree "--repo=$repo" remote show-url "$remote" | sed 's:/*$::; s:/repo$::')
[ -n "$url" ] || no "there is no remote $remote"

# What is new is pulled under the ref; of what is refused the ref must not lead to.
before=$(ostree "--repo=$repo" rev-parse "$refspec" 2> /dev/null)
back() {
  if [ -n "$before" ]; then ostree "--repo=$repo" refs --force --create="$refspec" "$before"
  else ostree "--repo=$repo" refs --delete "$refspec"; fi > /dev/null 2>&1
}
trap 'back; rm -rf "$t"' EXIT
ostree "--repo=$repo" pull --commit-metadata-only "$remote" "$ref" > "$t/pulled" 2>&1 || no "$refspec cannot be pulled: $(tail -n 1 "$t/pulled")"
commit=$(ostree "--repo=$repo" rev-parse "$refspec") || no "$refspec cannot be pulled"

# The log as it is served now, and as this host saw it last.
get checkpoint "$t/checkpoint" || no "the release log $url/log cannot be read: $(cat "$t/why")"
now=$(head_of "$t/checkpoint") || no "$url/log/checkpoint is malformed"
size=${now% *} root=${now#* }
if [ -f "$folder/checkpoint" ]; then
  seen=$(head_of "$folder/checkpoint") || no "$folder/checkpoint is malformed: what this host saw last is not known"
  [ "$size" -ge "${seen% *}" ] || no "the release log $url/log has been rolled back: this host saw $(entries "${seen% *}"), and it has $size now"
  both=$(roots "${seen% *}" 0 "$size") || no "the release log $url/log cannot be read: $(cat "$t/why")"
  [ "${both#* }" = "$root" ] || no "the release log $url/log does not hold together: its tiles do not lead to its root"
  [ "${both% *}" = "${seen#* }" ] || no "the release log $url/log is not the one that this host saw: it no longer begins with the same $(entries "${seen% *}")"
fi

# The entry of the commit, with the way from there to the root as it is now.
get "proofs/refs/$ref/$commit.tlog-proof" "$t/served" || {
  case $(cat "$t/status") in 404 | 410) no "commit $commit of $ref is not in the release log $url/log, though it may be signed" ;; esac
  no "the release log $url/log cannot be read: $(cat "$t/why")"
}
index=$(sed -n 's/^index //p' "$t/served" | head -n 1)
case $index in '' | *[!0-9]* | ????????????????*) no 'the proof of the commit is malformed' ;; esac
[ "$index" -lt "$size" ] || no "commit $commit of $ref is not in the release log $url/log: it has $(entries "$size"), and the proof is of entry $index"
way "$index" 0 "$size" > "$t/way" || no "the release log $url/log cannot be read: $(cat "$t/why")"
{ sed 3q "$t/served"; cat "$t/way"; echo; cat "$t/checkpoint"; } > "$t/proof"
said=$(sh "$here/verify.sh" -p "$policy" -r "$ref" -c "$commit" "$t/proof" 2>&1) || no "commit $commit of $ref: ${said#refused: }"

# Remembered before anything follows from it.
{ mkdir -p "$folder" && cp "$t/checkpoint" "$folder/.checkpoint" && sync "$folder/.checkpoint" && mv "$folder/.checkpoint" "$folder/checkpoint"; } 2> "$t/why" || no "$folder cannot be written: $(cat "$t/why")"
trap 'rm -rf "$t"' EXIT
echo "$said"
[ -z "$check" ] || exit 0
if command -v rpm-ostree > /dev/null; then rpm-ostree deploy "$@" "$commit"
else ostree admin upgrade "--override-commit=$commit" "$@"; fi
