-- The side tables of the hardened protocol (src/protocol.rs names the switches).
--
-- The tables of the deployed system keep their shape: a live database may hold duplicates already,
-- so none of them gets a unique key, and a db_proxy without the switches goes on beside these
-- tables. Make them before the first db_proxy with a switch of scope "schema" starts.
--
-- Keys that the switches need on the old tables are there already: IMMessage_N has
-- (relateId, status, msgId, created).

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

-- single-session: which row of IMRecentSession a user has for a peer (type 1) or group (type 2).
CREATE TABLE IF NOT EXISTS TTSession (
  userId    INT UNSIGNED NOT NULL,
  peerId    INT UNSIGNED NOT NULL,
  type      TINYINT UNSIGNED NOT NULL,
  sessionId INT UNSIGNED NOT NULL,
  PRIMARY KEY (userId, peerId, type)
) ENGINE=InnoDB;

-- idempotent-send: what the send with a token was stored as; type 1 to a user (relateId is the
-- relation), 2 to a group (relateId is the group). A row is of use for as long as a client may
-- write the send again; db_proxies delete older ones by `created` (Unix seconds).
CREATE TABLE IF NOT EXISTS TTSend (
  fromId   INT UNSIGNED NOT NULL,
  token    VARBINARY(16) NOT NULL,
  type     TINYINT UNSIGNED NOT NULL,
  relateId INT UNSIGNED NOT NULL,
  msgId    INT UNSIGNED NOT NULL,
  created  INT UNSIGNED NOT NULL,
  PRIMARY KEY (fromId, token),
  KEY idx_created (created)
) ENGINE=InnoDB;

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

-- ordered-logins: how many logins of a user were let in. A login's number is drawn from here, so that
-- of two that kick each other the newer one stays.
CREATE TABLE IF NOT EXISTS TTLogin (
  userId    INT UNSIGNED NOT NULL,
  lastLogin INT UNSIGNED NOT NULL,
  PRIMARY KEY (userId)
) ENGINE=InnoDB;
