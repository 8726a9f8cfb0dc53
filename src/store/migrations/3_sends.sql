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

INSERT IGNORE INTO TTSchema (version, name, applied) VALUES (3, 'sends', UNIX_TIMESTAMP());
