"""The command `levelbook`: which commands there are, and in which module each stands."""

from typing import Final

import click

from projections.commands.asking.options import Commands, Entry

RECORD: Final = "Record"
LOOK: Final = "Look at what is recorded"
REPLAY: Final = "Replay and explain"
DECIDE: Final = "Decide, audit, appeal"
SHOW: Final = "Show levels to others"
PROVE: Final = "Prove that nothing was changed or left out"
OPERATE: Final = "Operate"
LEARN: Final = "Learn"
ENTRIES: Final = {
    "ingest": Entry(
        RECORD,
        "projections.commands.record",
        "Record events from FILEs of CloudEvents JSON Lines (folders, globs, packed, '-' for standard input).",
    ),
    "convert": Entry(
        RECORD,
        "projections.commands.mapping.convert",
        "Print the events that the rows of FILEs give by MAPPING, as 'ingest' takes them, one a line.",
    ),
    "map": Entry(
        RECORD,
        "projections.commands.mapping.maps",
        "Propose a mapping file for tables of others; check how one fits a file's columns.",
    ),
    "consume": Entry(
        RECORD,
        "projections.commands.consume",
        "Record events from topics of Kafka: CloudEvents, structured, binary, in batches; rows by --map; an --outbox.",
    ),
    "asyncapi": Entry(
        RECORD,
        "projections.commands.describe",
        "Print the AsyncAPI document of the events that are recorded, with JSON Schemas, for those who send them.",
    ),
    "erase-buyer": Entry(
        RECORD,
        "projections.commands.record",
        "Forget which alias is BUYER's ('-' reads the buyer from standard input). No record changes.",
    ),
    "receipts": Entry(
        RECORD,
        "projections.commands.proving.receipts",
        "Print a receipt for each event in FILES ('-' is standard input): its record, and the proof of it.",
    ),
    "events": Entry(
        LOOK,
        "projections.commands.look",
        "List the recorded events of SUBJECT in the order of the ledger.",
    ),
    "event": Entry(
        LOOK,
        "projections.commands.look",
        "Show one event: both times, position, hashes, who caused it, what corrects or retracts it.",
    ),
    "find": Entry(
        LOOK,
        "projections.commands.look",
        "Find events of all subjects: by id, by what they are about, by case, buyer's alias or run of decisions.",
    ),
    "subjects": Entry(
        LOOK,
        "projections.commands.look",
        "List the subjects, or those of one KIND, such as merchant.",
    ),
    "status": Entry(
        LOOK,
        "projections.commands.look",
        "Show where the ledger stands, and its views: head, records by type, size; lag, what is set aside, a rebuild.",
    ),
    "replay": Entry(
        REPLAY,
        "projections.commands.replay",
        "Replay the level of SUBJECT: state, level, what is effective, points, months, last publication.",
    ),
    "explain": Entry(
        REPLAY,
        "projections.commands.replay",
        "Explain the level of SUBJECT: a verdict or note for every event that bears on it, with its clause.",
    ),
    "history": Entry(
        REPLAY,
        "projections.commands.replay",
        "Show each change of the level of SUBJECT with its cause.",
    ),
    "diff": Entry(
        REPLAY,
        "projections.commands.replay",
        "Split the difference of two replays of SUBJECT by cause: what was learned, time, policy.",
    ),
    "what-if": Entry(
        REPLAY,
        "projections.commands.replay",
        "Show where SUBJECT stands, and where it would: with events that did not happen, later, by other rules.",
    ),
    "ways": Entry(
        REPLAY,
        "projections.commands.replay",
        "Show the ways of SUBJECT to the next level: what each asks at least, and by when it reaches the level.",
    ),
    "rules": Entry(
        REPLAY,
        "projections.commands.policies.policy",
        "Show the rules of SCHEME at a glance, or of all: levels, benefits, limits, caps, gates, bands, calendar.",
    ),
    "policies": Entry(
        REPLAY,
        "projections.commands.policies.policy",
        "List the policies that replays use: versions, revisions, each parameter with its value, status and source.",
    ),
    "policy": Entry(
        REPLAY,
        "projections.commands.policies.policy",
        "Check a policy file; adopt a revision, so that it can be used again for ever; keep a shadow by a candidate.",
    ),
    "decide": Entry(
        DECIDE,
        "projections.commands.decide",
        "Fix the levels of SCHEME for a period: one event a subject, with digests of what it rests on.",
    ),
    "decided": Entry(
        DECIDE,
        "projections.commands.decide",
        "List the decisions on SUBJECT: level, score, what was known, digests; which is the latest of its period.",
    ),
    "audit": Entry(
        DECIDE,
        "projections.commands.decide",
        "Replay each decision at its own as_of, position and policy, and say which do not come out.",
    ),
    "worklist": Entry(
        DECIDE,
        "projections.commands.look",
        "List what an auditor has to look at, of all subjects, out of the views: LIST says what.",
    ),
    "appeal": Entry(
        DECIDE,
        "projections.commands.decide",
        "Print the file of one disputed level: as announced, as decided, as known now, the difference, the events.",
    ),
    "leaderboard": Entry(
        DECIDE,
        "projections.commands.decide",
        "Show BOARD, such as comprehensive, of a month: who is rated, best first.",
    ),
    "rebuild": Entry(
        SHOW,
        "projections.commands.views",
        "Build the views of all SCHEMEs, or of those named, anew; prove them against replays; then switch.",
    ),
    "follow": Entry(
        SHOW,
        "projections.commands.views",
        "Move the views on by new events, and with the calendar. Makes them when there are none yet.",
    ),
    "retry": Entry(
        SHOW,
        "projections.commands.views",
        "Take up again what is set aside, of SUBJECTs or all. Exit status 1 when something stays aside.",
    ),
    "export": Entry(
        SHOW,
        "projections.commands.export",
        "Export the SQL views, or those named (v1_levels or levels), as files for others, all of one moment.",
    ),
    "serve": Entry(
        SHOW,
        "projections.commands.serve",
        "Answer over HTTP what the ledger and its views hold: levels, explanations, changes. It only reads.",
    ),
    "token": Entry(
        SHOW,
        "projections.commands.serve",
        "Make, list and revoke the tokens by which others may ask the service.",
    ),
    "openapi": Entry(
        SHOW,
        "projections.commands.describe",
        "Print the OpenAPI document of the service as JSON, as '/openapi.json' of a running one gives it.",
    ),
    "accesses": Entry(
        SHOW,
        "projections.commands.serve",
        "List who asked the service for explanations, of SUBJECT or all: when, by which token, for what.",
    ),
    "deliver": Entry(
        SHOW,
        "projections.commands.deliver",
        "Send each change of a level to webhooks and topics of Kafka, at least once and in order.",
    ),
    "verify": Entry(
        PROVE,
        "projections.commands.keep",
        "Walk the stored bytes, recompute every column, and name the first record that does not fit.",
    ),
    "head": Entry(
        PROVE,
        "projections.commands.keep",
        "Print position and chain hash, to be kept elsewhere and given to 'verify --head'.",
    ),
    "checkpoint": Entry(
        PROVE,
        "projections.commands.keep",
        "Seal how many records each key has, sign that with the ledger's keys, and print the signed note.",
    ),
    "key": Entry(
        PROVE,
        "projections.commands.keep",
        "Make, show and rotate the keys by which the ledger signs its checkpoints.",
    ),
    "witness": Entry(
        PROVE,
        "projections.commands.proving.witness",
        "Cosign a ledger's checkpoints as a witness, and ask witnesses for it.",
    ),
    "refute": Entry(
        PROVE,
        "projections.commands.proving.receipts",
        "Hold RECEIPTS against a FILE of evidence: does it hide a record, or show another one in its place?",
    ),
    "evidence": Entry(
        PROVE,
        "projections.commands.proving.evidence",
        "Make a file by which a stranger can check a level of SUBJECT offline, and that nothing was left out.",
    ),
    "verify-evidence": Entry(
        PROVE,
        "projections.commands.proving.evidence",
        "Check a FILE of evidence without any ledger, and work its claim out again.",
    ),
    "shard": Entry(
        OPERATE,
        "projections.commands.sharding.shards",
        "Plan, make, check and sign a set of ledgers that together take all subjects, each its own.",
    ),
    "seal": Entry(
        OPERATE,
        "projections.commands.keep",
        "Seal what the ledger holds into columnar segments, from which all levels are rebuilt fast.",
    ),
    "archive": Entry(
        OPERATE,
        "projections.commands.keep",
        "Let sealed records leave the store for compressed segments in files, from which they are read as before.",
    ),
    "backup": Entry(
        OPERATE,
        "projections.commands.keep",
        "Copy the ledger into a new SQLite store at FILE, or in a folder, while others write, and verify the copy.",
    ),
    "restore": Entry(
        OPERATE,
        "projections.commands.keep",
        "Bring the ledger of BACKUP, or of the latest of a folder of backups, into an empty place, and verify it.",
    ),
    "doctor": Entry(
        OPERATE,
        "projections.commands.doctor",
        "Look at the installation of a ledger part by part, and say what to do about what is not as it should be.",
    ),
    "upgrade": Entry(
        OPERATE,
        "projections.commands.keep",
        "Bring a ledger of an earlier version, and its views, up to this one; the same command goes on after a kill.",
    ),
    "grants": Entry(
        OPERATE,
        "projections.commands.grants",
        "Print the SQL that gives roles of PostgreSQL the rights on a ledger that their tasks need, and no more.",
    ),
    "config": Entry(
        OPERATE,
        "projections.commands.shell",
        "Show each setting, its value and what set it: a flag, a variable, which file, or nothing (the default).",
    ),
    "completion": Entry(
        OPERATE,
        "projections.commands.shell",
        "Print the script by which SHELL completes commands, options and names; it says where it belongs.",
    ),
    "demo": Entry(
        LEARN,
        "projections.commands.describe",
        "Make a small ledger of a disputed level: announced, decided, corrected; show both levels and why they differ.",
    ),
    "answers": Entry(
        LEARN,
        "projections.commands.describe",
        "Describe the keys of the JSON answers: those of NAME, or all of them.",
    ),
}


@click.group(
    cls=Commands,
    entries=ENTRIES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="WHEN is a date (its last moment in Shanghai) or an instant such as 2022-11-30T12:00:00+08:00.\n\n"
    "\b\nExample:\n  levelbook demo",
)
@click.version_option(package_name="levelbook")
def main() -> None:
    """Record what happened once; replay any level as it was decided and as it is known now.

    Exit status: 0 done; 1 lines were refused, a file broke off, a policy has faults, a decision is not reproduced, or a
    ledger is not sound; 2 wrong use; 3 the store, its disk or its clock failed; 4 the views are of another history of
    the ledger, or the clock jumped; 9 a file of evidence is not accepted; 130 interrupted.
    """


if __name__ == "__main__":
    main()
