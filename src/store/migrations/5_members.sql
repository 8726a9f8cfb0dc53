-- members-from-store: after which msg_id a member may read a group: the latest one when he joined.
-- One who joined before the switch was turned on has no row and may read what was made in or after
-- the second of IMGroupMember.updated. Keys that the switch needs on IMGroupMember are there:
-- (groupId, userId, status) and (userId, status, updated). Who joined after a message that is to be
-- pushed is looked up by the group, hence the second key.
CREATE TABLE IF NOT EXISTS TTMember (
  userId  INT UNSIGNED NOT NULL,
  groupId INT UNSIGNED NOT NULL,
  sinceId INT UNSIGNED NOT NULL,
  PRIMARY KEY (userId, groupId),
  KEY idx_groupId_sinceId (groupId, sinceId)
) ENGINE=InnoDB;

-- Where TTMember was made without its second key, add it; db_proxies may run meanwhile:
--
--   ALTER TABLE TTMember ADD KEY idx_groupId_sinceId (groupId, sinceId);

INSERT IGNORE INTO TTSchema (version, name, applied) VALUES (5, 'members', UNIX_TIMESTAMP());
