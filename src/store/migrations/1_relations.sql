-- The versions of the schema that a database has: each migration names itself here when it is done.
-- A db_proxy whose switches need a later one does not serve.
CREATE TABLE IF NOT EXISTS TTSchema (
  version INT UNSIGNED NOT NULL,
  name    VARCHAR(64) NOT NULL,
  applied INT UNSIGNED NOT NULL,
  PRIMARY KEY (version)
) ENGINE=InnoDB;

-- single-relation: which relation a pair of users has; smallId is the lower user id. The unique
-- key decides between two db_proxies that add one at the same time.
-- id-floor-from-store: lastId is the highest msg_id of the relation. Its row is locked from the
-- draw of an id to the commit of the message. A group has the row (0, groupId), its relateId is
-- the group's id; with members-from-store a join locks it to know the latest msg_id.
-- unread-from-store asks for a user's relations from both sides, hence the second key.
CREATE TABLE IF NOT EXISTS TTRelation (
  smallId  INT UNSIGNED NOT NULL,
  bigId    INT UNSIGNED NOT NULL,
  relateId INT UNSIGNED NOT NULL,
  lastId   INT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (smallId, bigId),
  KEY idx_bigId (bigId)
) ENGINE=InnoDB;

-- Where single-relation has been in use without id-floor-from-store, raise each floor once, with
-- no db_proxy running, before the latter is turned on (for each N from 0 to 7):
--
--   UPDATE TTRelation r SET r.lastId = GREATEST(r.lastId, COALESCE(
--     (SELECT MAX(m.msgId) FROM IMMessage_N m WHERE m.relateId = r.relateId), 0))
--   WHERE r.relateId MOD 8 = N;

INSERT IGNORE INTO TTSchema (version, name, applied) VALUES (1, 'relations', UNIX_TIMESTAMP());
