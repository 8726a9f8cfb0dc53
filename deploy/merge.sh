#!/bin/sh
# Merges the shards of a campaign: merge.sh N. Its status is that of the campaign: 1 if a property was violated. One whose
# file is not there is left out: `merge` says which are missing, beside what the others found.
#
#   SIM, FOLDER  as for shard.sh; campaign.json, junit.xml and cases/ are written there
#   MERGE        further arguments of `merge`
set -eu
files=
n=1
while test "$n" -le "$1"; do
  if test -e "$FOLDER/shard-$n.json"; then files="$files $FOLDER/shard-$n.json"; fi
  n=$((n + 1))
done
# Several words each.
# shellcheck disable=SC2086
exec $SIM merge $files --resume-file "$FOLDER/campaign.json" --junit "$FOLDER/junit.xml" \
  --out "$FOLDER/cases" ${MERGE-}
