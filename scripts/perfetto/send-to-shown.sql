WITH sent AS (
  SELECT EXTRACT_ARG(slice.arg_set_id, 'args.content') AS content, MIN(slice.ts) AS ts
  FROM slice
  JOIN thread_track ON thread_track.id = slice.track_id
  JOIN thread ON thread.utid = thread_track.utid
  JOIN process ON process.upid = thread.upid
  WHERE slice.category = 'pdu_sent' AND slice.name = 'MSG_DATA' AND process.name GLOB 'client*'
  GROUP BY content
), shown AS (
  SELECT EXTRACT_ARG(arg_set_id, 'args.content') AS content,
         EXTRACT_ARG(arg_set_id, 'args.device') AS device, MIN(ts) AS ts
  FROM slice
  WHERE category = 'fact' AND name = 'held' AND EXTRACT_ARG(arg_set_id, 'args.via') <> 'sent'
  GROUP BY content, device
)
SELECT shown.content, shown.device, sent.ts / 1e6 AS sent_ms, (shown.ts - sent.ts) / 1e6 AS took_ms
FROM sent JOIN shown ON shown.content = sent.content
ORDER BY took_ms DESC LIMIT 10;
