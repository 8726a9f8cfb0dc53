SELECT fault.name AS fault, sent.name AS pdu, process.name AS sent_by,
       EXTRACT_ARG(sent.arg_set_id, 'args.peer') AS sent_to,
       sent.ts / 1e6 AS sent_ms, received.ts / 1e6 AS received_ms
FROM slice AS fault
JOIN slice AS sent ON sent.category = 'pdu_sent' AND sent.ts <= fault.ts + fault.dur
JOIN thread_track ON thread_track.id = sent.track_id
JOIN thread ON thread.utid = thread_track.utid
JOIN process ON process.upid = thread.upid
LEFT JOIN flow ON flow.slice_out = sent.id
LEFT JOIN slice AS received ON received.id = flow.slice_in
WHERE fault.category = 'fault'
  AND (received.ts > fault.ts OR received.ts IS NULL)
  AND EXTRACT_ARG(fault.arg_set_id, 'args.hosts[0]')
    IN (process.name, EXTRACT_ARG(sent.arg_set_id, 'args.peer'))
  AND COALESCE(EXTRACT_ARG(fault.arg_set_id, 'args.hosts[1]'), process.name)
    IN (process.name, EXTRACT_ARG(sent.arg_set_id, 'args.peer'))
ORDER BY sent_ms;
