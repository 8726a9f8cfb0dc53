-- The tables of the original (docs/SYSTEM.md section 6, "Tables"), in MySQL's dialect.
--
-- Columns and keys are those of docs/SYSTEM.md. It gives no keys of IMGroup, IMUser, IMDepart and IMAudio:
-- those here follow public descriptions of the schema and were compared with no server. It gives the lengths that matter
-- (content 4096, name and password 32, salt 4, sign_info 128); the other lengths and the defaults are
-- ours. Three details of the shipped schema are not kept: it lets some columns be NULL (no statement
-- of db_proxy stores one), IMUser.phone has 11 characters there, and the ids of IMUser and IMDepart are
-- unsigned. IMTransmitFile is missing from the shipped schema; the file commands need it.
--
-- The side tables of the hardened protocol are migrations beside the code that uses them
-- (src/store/migrations/mod.rs). A test (sim/src/fakes/sql/tests/tables.rs) holds the SQL fake to all
-- these files: the same tables, columns, types, lengths and defaults.

-- Messages between two users: those of relation R are in IMMessage_(R mod 8).
CREATE TABLE IMMessage_0 (
  id       INT NOT NULL AUTO_INCREMENT,
  relateId INT UNSIGNED NOT NULL,
  fromId   INT UNSIGNED NOT NULL,
  toId     INT UNSIGNED NOT NULL,
  msgId    INT UNSIGNED NOT NULL,
  content  VARCHAR(4096) NOT NULL DEFAULT '',
  type     TINYINT UNSIGNED NOT NULL DEFAULT 0,
  status   TINYINT UNSIGNED NOT NULL DEFAULT 0,
  created  INT UNSIGNED NOT NULL DEFAULT 0,
  updated  INT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  KEY idx_relateId_status_created (relateId, status, created),
  KEY idx_relateId_status_msgId_created (relateId, status, msgId, created),
  KEY idx_fromId_toId_status (fromId, toId, status)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE IMMessage_1 LIKE IMMessage_0;
CREATE TABLE IMMessage_2 LIKE IMMessage_0;
CREATE TABLE IMMessage_3 LIKE IMMessage_0;
CREATE TABLE IMMessage_4 LIKE IMMessage_0;
CREATE TABLE IMMessage_5 LIKE IMMessage_0;
CREATE TABLE IMMessage_6 LIKE IMMessage_0;
CREATE TABLE IMMessage_7 LIKE IMMessage_0;

-- Messages to groups: those of group G are in IMGroupMessage_(G mod 8).
CREATE TABLE IMGroupMessage_0 (
  id      INT NOT NULL AUTO_INCREMENT,
  groupId INT UNSIGNED NOT NULL,
  userId  INT UNSIGNED NOT NULL,
  msgId   INT UNSIGNED NOT NULL,
  content VARCHAR(4096) NOT NULL DEFAULT '',
  type    TINYINT UNSIGNED NOT NULL DEFAULT 0,
  status  TINYINT UNSIGNED NOT NULL DEFAULT 0,
  created INT UNSIGNED NOT NULL DEFAULT 0,
  updated INT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  KEY idx_groupId_status_created (groupId, status, created),
  KEY idx_groupId_msgId_status_created (groupId, msgId, status, created)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE IMGroupMessage_1 LIKE IMGroupMessage_0;
CREATE TABLE IMGroupMessage_2 LIKE IMGroupMessage_0;
CREATE TABLE IMGroupMessage_3 LIKE IMGroupMessage_0;
CREATE TABLE IMGroupMessage_4 LIKE IMGroupMessage_0;
CREATE TABLE IMGroupMessage_5 LIKE IMGroupMessage_0;
CREATE TABLE IMGroupMessage_6 LIKE IMGroupMessage_0;
CREATE TABLE IMGroupMessage_7 LIKE IMGroupMessage_0;

-- A user's chats, newest first: type 1 with a user, 2 in a group.
CREATE TABLE IMRecentSession (
  id      INT NOT NULL AUTO_INCREMENT,
  userId  INT UNSIGNED NOT NULL,
  peerId  INT UNSIGNED NOT NULL,
  type    TINYINT UNSIGNED NOT NULL DEFAULT 0,
  status  TINYINT UNSIGNED NOT NULL DEFAULT 0,
  created INT UNSIGNED NOT NULL DEFAULT 0,
  updated INT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  KEY idx_userId_peerId_status_updated (userId, peerId, status, updated),
  KEY idx_userId_peerId_type (userId, peerId, type)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- A pair of users that has written: smallId is the lower id.
CREATE TABLE IMRelationShip (
  id      INT NOT NULL AUTO_INCREMENT,
  smallId INT UNSIGNED NOT NULL,
  bigId   INT UNSIGNED NOT NULL,
  status  TINYINT UNSIGNED NOT NULL DEFAULT 0,
  created INT UNSIGNED NOT NULL DEFAULT 0,
  updated INT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  KEY idx_smallId_bigId_status_updated (smallId, bigId, status, updated)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Groups: type 1 normal, 2 temporary.
CREATE TABLE IMGroup (
  id         INT NOT NULL AUTO_INCREMENT,
  name       VARCHAR(256) NOT NULL DEFAULT '',
  avatar     VARCHAR(256) NOT NULL DEFAULT '',
  creator    INT UNSIGNED NOT NULL DEFAULT 0,
  type       TINYINT UNSIGNED NOT NULL DEFAULT 0,
  userCnt    INT UNSIGNED NOT NULL DEFAULT 0,
  status     TINYINT UNSIGNED NOT NULL DEFAULT 0,
  version    INT UNSIGNED NOT NULL DEFAULT 0,
  lastChated INT UNSIGNED NOT NULL DEFAULT 0,
  created    INT UNSIGNED NOT NULL DEFAULT 0,
  updated    INT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  KEY idx_name (name(191)),
  KEY idx_creator (creator)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Members: status 0 in the group, 1 no more.
CREATE TABLE IMGroupMember (
  id      INT NOT NULL AUTO_INCREMENT,
  groupId INT UNSIGNED NOT NULL,
  userId  INT UNSIGNED NOT NULL,
  status  TINYINT UNSIGNED NOT NULL DEFAULT 0,
  created INT UNSIGNED NOT NULL DEFAULT 0,
  updated INT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  KEY idx_groupId_userId_status (groupId, userId, status),
  KEY idx_userId_status_updated (userId, status, updated),
  KEY idx_groupId_updated (groupId, updated)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Users: password is md5hex(received + salt).
CREATE TABLE IMUser (
  id                 INT NOT NULL AUTO_INCREMENT,
  sex                TINYINT UNSIGNED NOT NULL DEFAULT 0,
  name               VARCHAR(32) NOT NULL DEFAULT '',
  domain             VARCHAR(32) NOT NULL DEFAULT '',
  nick               VARCHAR(32) NOT NULL DEFAULT '',
  password           VARCHAR(32) NOT NULL DEFAULT '',
  salt               VARCHAR(4) NOT NULL DEFAULT '',
  phone              VARCHAR(32) NOT NULL DEFAULT '',
  email              VARCHAR(64) NOT NULL DEFAULT '',
  avatar             VARCHAR(255) NOT NULL DEFAULT '',
  departId           INT UNSIGNED NOT NULL DEFAULT 0,
  status             TINYINT UNSIGNED NOT NULL DEFAULT 0,
  push_shield_status TINYINT UNSIGNED NOT NULL DEFAULT 0,
  sign_info          VARCHAR(128) NOT NULL DEFAULT '',
  created            INT UNSIGNED NOT NULL DEFAULT 0,
  updated            INT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  KEY idx_domain (domain),
  KEY idx_name (name),
  KEY idx_phone (phone)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Voice messages: path is the blob store's, duration is in seconds.
CREATE TABLE IMAudio (
  id       INT NOT NULL AUTO_INCREMENT,
  fromId   INT UNSIGNED NOT NULL,
  toId     INT UNSIGNED NOT NULL,
  path     VARCHAR(255) NOT NULL DEFAULT '',
  size     INT UNSIGNED NOT NULL DEFAULT 0,
  duration INT UNSIGNED NOT NULL DEFAULT 0,
  created  INT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  KEY idx_fromId_toId (fromId, toId)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Departments.
CREATE TABLE IMDepart (
  id         INT NOT NULL AUTO_INCREMENT,
  departName VARCHAR(64) NOT NULL DEFAULT '',
  priority   INT UNSIGNED NOT NULL DEFAULT 0,
  parentId   INT UNSIGNED NOT NULL DEFAULT 0,
  status     TINYINT UNSIGNED NOT NULL DEFAULT 0,
  created    INT UNSIGNED NOT NULL DEFAULT 0,
  updated    INT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  KEY idx_departName (departName),
  KEY idx_priority_status (priority, status)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Files that wait for a user.
CREATE TABLE IMTransmitFile (
  id       INT NOT NULL AUTO_INCREMENT,
  fromId   INT UNSIGNED NOT NULL,
  toId     INT UNSIGNED NOT NULL,
  fileName VARCHAR(256) NOT NULL DEFAULT '',
  size     INT UNSIGNED NOT NULL DEFAULT 0,
  taskId   VARCHAR(64) NOT NULL DEFAULT '',
  status   TINYINT UNSIGNED NOT NULL DEFAULT 0,
  created  INT UNSIGNED NOT NULL DEFAULT 0,
  updated  INT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
