-- unread-from-store: up to which msg_id a user has read a peer's (type 1) or group's (type 2)
-- messages. Without a row nothing is read: before the switch is turned on, seed it from the
-- counters in Redis (`unread_<userId>`) or with the latest msg_id of each conversation and group,
-- or every old message becomes unread. With edge-limits no row is kept for a conversation without a
-- message.
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
