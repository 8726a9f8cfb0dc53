-- single-session: which row of IMRecentSession a user has for a peer (type 1) or group (type 2).
CREATE TABLE IF NOT EXISTS TTSession (
  userId    INT UNSIGNED NOT NULL,
  peerId    INT UNSIGNED NOT NULL,
  type      TINYINT UNSIGNED NOT NULL,
  sessionId INT UNSIGNED NOT NULL,
  PRIMARY KEY (userId, peerId, type)
) ENGINE=InnoDB;

INSERT IGNORE INTO TTSchema (version, name, applied) VALUES (2, 'sessions', UNIX_TIMESTAMP());
