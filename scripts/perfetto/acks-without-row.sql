SELECT ack.ts / 1e6 AS ms,
       EXTRACT_ARG(ack.arg_set_id, 'args.device') AS device,
       EXTRACT_ARG(ack.arg_set_id, 'args.conversation') AS conversation,
       EXTRACT_ARG(ack.arg_set_id, 'args.msg_id') AS msg_id
FROM slice AS ack
JOIN thread_track ON thread_track.id = ack.track_id
JOIN thread ON thread.utid = thread_track.utid
JOIN process ON process.upid = thread.upid
WHERE ack.category = 'pdu_sent' AND ack.name = 'MSG_DATA_ACK' AND process.name GLOB 'msg*'
  AND NOT EXISTS (
    SELECT 1 FROM slice AS stored
    WHERE stored.category = 'row' AND stored.name = 'row' AND stored.ts <= ack.ts
      AND EXTRACT_ARG(stored.arg_set_id, 'args.conversation')
        = EXTRACT_ARG(ack.arg_set_id, 'args.conversation')
      AND EXTRACT_ARG(stored.arg_set_id, 'args.msg_id')
        = EXTRACT_ARG(ack.arg_set_id, 'args.msg_id'))
ORDER BY ms;
