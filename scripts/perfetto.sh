#!/usr/bin/env bash
# Opens what `cargo sim replay CASE --perfetto FILE` wrote with Perfetto's trace_processor, and asks it the
# questions in scripts/perfetto/ (docs/PICTURE.md), or those that are named. CI does not run this.
#
#   scripts/perfetto.sh FILE [QUERY.sql…]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -lt 1 ]; then
  sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
file=$1
shift
[ $# -gt 0 ] || set -- "$here"/perfetto/*.sql
for name in "${TRACE_PROCESSOR:-}" trace_processor trace_processor_shell; do
  if [ -n "$name" ] && command -v "$name" >/dev/null; then
    processor=$name
    break
  fi
done
if [ -z "${processor:-}" ]; then
  echo "no trace_processor: get it as https://perfetto.dev/docs/analysis/trace-processor says, or set" >&2
  echo "TRACE_PROCESSOR to its path; or open the file in https://ui.perfetto.dev" >&2
  exit 2
fi
for query in "$@"; do
  echo "-- $(basename "$query" .sql)"
  "$processor" --query-file "$query" "$file"
done
# What it could not read it counts: nothing may be here.
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
echo "SELECT name, value FROM stats WHERE severity = 'error' AND value > 0;" >"$errors"
echo "-- what it could not read"
"$processor" --query-file "$errors" "$file"
