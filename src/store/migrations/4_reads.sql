-- unread-from-store: up to which msg_id a user has read a peer's (type 1) or group's (type 2)
-- messages. A user without a row has not read what the original's counters in Redis say; db_proxies
-- with the switch take them over, one conversation at a time, before they store a message in it. A
-- group of which they did that has a row of user 0. It is right only if no db_proxy without the
-- switch runs any more: turn it on in all of them at once. With edge-limits no read ack makes a row
-- for a conversation without a message.
CREATE TABLE IF NOT EXISTS TTRead (
  userId INT UNSIGNED NOT NULL,
  peerId INT UNSIGNED NOT NULL,
  type   TINYINT UNSIGNED NOT NULL,
  msgId  INT UNSIGNED NOT NULL,
  PRIMARY KEY (userId, peerId, type)
) ENGINE=InnoDB;

-- Where unread-from-store has been in use without groups, TTRead has no `type`, and all its rows are
-- of single chats. Change it once, with no db_proxy running, then seed the groups' rows (type 2):
--
--   ALTER TABLE TTRead ADD COLUMN type TINYINT UNSIGNED NOT NULL DEFAULT 1 AFTER peerId,
--     DROP PRIMARY KEY, ADD PRIMARY KEY (userId, peerId, type);
--   ALTER TABLE TTRead ALTER COLUMN type DROP DEFAULT;

INSERT IGNORE INTO TTSchema (version, name, applied) VALUES (4, 'reads', UNIX_TIMESTAMP());
