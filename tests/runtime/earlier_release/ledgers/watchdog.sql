BEGIN TRANSACTION;
CREATE TABLE acked (consumer TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "acked" VALUES('recorder',0);
CREATE TABLE cursors (producer TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "cursors" VALUES('recorder',0);
CREATE TABLE journal (
    n INTEGER PRIMARY KEY,
    market_ns INTEGER NOT NULL,
    machine_ns INTEGER NOT NULL,
    sender TEXT NOT NULL,
    body BLOB NOT NULL
);
INSERT INTO "journal" VALUES(1,0,679221481866,'',X'95AB73796D626F6C2D534D4349CD73D101C2A0');
INSERT INTO "journal" VALUES(2,0,679385289183,'',X'95A47269736BCD73CD01C2A0');
INSERT INTO "journal" VALUES(3,0,679385289183,'',X'95AB73796D626F6C2D54534C41CD73D201C2A0');
INSERT INTO "journal" VALUES(4,0,679759165271,'',X'95A87761746368646F67CD73CC01C2A0');
INSERT INTO "journal" VALUES(5,0,680152088331,'',X'95AB73796D626F6C2D4E564441CD73D001C2A0');
INSERT INTO "journal" VALUES(6,0,680172717173,'',X'95AA73796D626F6C2D414D43CD73CF01C2A0');
INSERT INTO "journal" VALUES(7,0,680636108097,'',X'95A973696D756C61746F72CD73C9CF0000009E76A0C6C4C2A0');
INSERT INTO "journal" VALUES(8,0,680941600309,'',X'95A767617465776179CD73CE01C2A0');
INSERT INTO "journal" VALUES(9,0,681532105052,'',X'95A5636C6F636BCD73CA01C2A777616974696E67');
INSERT INTO "journal" VALUES(10,0,681743380258,'',X'95A87265636F72646572CD73CB01C3A0');
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('owner','watchdog@DU1234567');
INSERT INTO "meta" VALUES('run','1');
INSERT INTO "meta" VALUES('version','1');
CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, recipient TEXT NOT NULL, envelope BLOB NOT NULL);
CREATE TABLE records (kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
INSERT INTO "records" VALUES('Counted','clock','{"process":"clock","run":1,"starts":1}');
INSERT INTO "records" VALUES('Counted','gateway','{"process":"gateway","run":1,"starts":1}');
INSERT INTO "records" VALUES('Counted','recorder','{"process":"recorder","run":1,"starts":1}');
INSERT INTO "records" VALUES('Counted','risk','{"process":"risk","run":1,"starts":1}');
INSERT INTO "records" VALUES('Counted','simulator','{"process":"simulator","run":680595080900,"starts":1}');
INSERT INTO "records" VALUES('Counted','symbol-AMC','{"process":"symbol-AMC","run":1,"starts":1}');
INSERT INTO "records" VALUES('Counted','symbol-NVDA','{"process":"symbol-NVDA","run":1,"starts":1}');
INSERT INTO "records" VALUES('Counted','symbol-SMCI','{"process":"symbol-SMCI","run":1,"starts":1}');
INSERT INTO "records" VALUES('Counted','symbol-TSLA','{"process":"symbol-TSLA","run":1,"starts":1}');
INSERT INTO "records" VALUES('Counted','watchdog','{"process":"watchdog","run":1,"starts":1}');
CREATE TABLE starts (wall_ns INTEGER NOT NULL);
INSERT INTO "starts" VALUES(1796056233372288062);
DELETE FROM "sqlite_sequence";
COMMIT;
