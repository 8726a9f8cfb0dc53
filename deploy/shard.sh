#!/bin/sh
# Runs one shard of a campaign: shard.sh I N. What it did is in $FOLDER/shard-I.json; started again after it was
# ended, it goes on there.
#
#   SIM       the program (`cargo build --release -p teamtalk-sim` makes target/release/sim)
#   FOLDER    where the shards' files are
#   CAMPAIGN  arguments of `explore`, the same for all shards
set -eu
mkdir -p "$FOLDER"
# Several words each.
# shellcheck disable=SC2086
$SIM explore $CAMPAIGN --keep-going --no-shrink --shard "$1/$2" \
  --resume "$FOLDER/shard-$1.json" --out "$FOLDER/cases-$1" &
pid=$!
# Whoever ends this script means the program, which writes its file and ends then.
trap 'kill -TERM "$pid"' TERM INT
status=0
wait "$pid" || status=$?
while kill -0 "$pid" 2>/dev/null; do
  status=0
  wait "$pid" || status=$?
done
# What was found (1) is for the merge to say. All else is this shard's own failure.
test "$status" -eq 1 || exit "$status"
