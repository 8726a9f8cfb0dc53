-- ordered-logins: how many logins of a user were let in. A login's number is drawn from here, so that
-- of two that kick each other the newer one stays.
CREATE TABLE IF NOT EXISTS TTLogin (
  userId    INT UNSIGNED NOT NULL,
  lastLogin INT UNSIGNED NOT NULL,
  PRIMARY KEY (userId)
) ENGINE=InnoDB;

INSERT IGNORE INTO TTSchema (version, name, applied) VALUES (6, 'logins', UNIX_TIMESTAMP());
