"""Rules in the database: which are in force, in which version, and who loaded each when and why.

Two ways lead there. A worker that starts loads its rule files when they differ from those that a
start loaded last; ``blocktwin rule load`` puts files in force at once, and running workers take
them over (``pg_notify`` on ``CHANNEL``). What was loaded by hand stays until the files change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg import Connection
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from alerts import rulebook
from alerts.rule_faults import set_fault
from alerts.rules import LoadedRule, Rule, RuleInvalid, body, digest, from_body
from core.db.queries import load

CHANNEL = "blocktwin_rules"
"""Announced with ``rules`` or ``overrides`` in the transaction that changed them."""

STARTED = "start"
"""Author of what a worker loads from its files when it starts."""

MOST_AUTHOR, MOST_WORDS = 200, 2000
"""Longest name of an author, and longest note or reason; the tables hold no more."""

SQL = load("alerts", "rulestore.sql")

Conn = Connection[Any]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a load did or would do: ids of rules that are new, changed and no longer in force."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.retired)


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a rule, with the load that made it and the one that ended it."""

    rule_id: str
    version: int
    active: bool
    body: dict[str, Any]
    loaded_at: datetime
    loaded_by: str
    note: str
    ended_at: datetime | None
    ended_by: str
    ended_note: str


def load_rules(conn: Conn, rules_dir: str | None = None) -> list[LoadedRule]:
    """Read the rule files, bring the database up to them if they changed, and return what holds.

    A changed rule becomes a new version; a rule that is no longer in the files is retired. Alarms
    keep naming the version that raised them. Files that are still those of the last start change
    nothing, so that what was loaded by hand since then stays in force.

    Args:
        conn: a connection, in a transaction or not.
        rules_dir: folder of the rule files; None or "" for the packaged ones.

    Raises:
        RuleInvalid: if a file has a mistake; nothing is changed then.
    """
    book = rulebook.configured(rules_dir)
    files = _digest_of(book.rules)
    with conn.transaction():
        conn.execute(SQL["lock_rules"])
        last = conn.execute(SQL["last_files"]).fetchone()
        if last is None or last[0] != files:
            _write(conn, book.rules, (STARTED, book.place, files), whole=True)
        return in_force(conn)


def in_force(conn: Conn) -> list[LoadedRule]:
    """Return the rules in force, by id.

    Raises:
        RuleInvalid: if a stored rule is none of this version of the program.
    """
    return [
        LoadedRule(rule=_from_body(row[0], row[3]), version=row[1])
        for row in conn.execute(SQL["active_rules"])
    ]


def put(
    conn: Conn,
    rules: Sequence[Rule],
    *,
    author: str,
    note: str,
    whole: bool = False,
    dry_run: bool = False,
) -> Change:
    """Put rules in force.

    Args:
        conn: a connection, in a transaction or not.
        rules: checked rules.
        author: who does it; ``note`` says why.
        note: one sentence for the history.
        whole: retire every rule that is not among them.
        dry_run: only say what would change.

    Raises:
        RuleInvalid: if a rule then in force would name one that is not, or author or note are
            none.
    """
    if fault := words_fault(author, "note", note):
        raise RuleInvalid(fault)
    with conn.transaction():
        conn.execute(SQL["lock_rules"])
        # A whole load never reads what it replaces: it is the way out where that is unreadable.
        kept = {} if whole else {entry.rule.id: entry.rule for entry in in_force(conn)}
        fault = set_fault(list((kept | {rule.id: rule for rule in rules}).values()))
        if fault:
            raise RuleInvalid(f"the rules then in force: {fault}")
        digests = {row[0]: row[2] for row in conn.execute(SQL["active_rules"])}
        change = _change(rules, digests, whole=whole)
        if change and not dry_run:
            _write(conn, rules, (author, note, None), whole=whole)
    return change


def compare(rules: Sequence[Rule], now: Sequence[Rule], *, whole: bool) -> Change:
    """Say what putting ``rules`` in force changes while ``now`` are."""
    return _change(rules, {rule.id: digest(rule) for rule in now}, whole=whole)


def _change(rules: Sequence[Rule], digests: Mapping[str, str], *, whole: bool) -> Change:
    named = {rule.id for rule in rules}
    return Change(
        added=tuple(rule.id for rule in rules if rule.id not in digests),
        changed=tuple(
            rule.id for rule in rules if digests.get(rule.id, digest(rule)) != digest(rule)
        ),
        retired=tuple(sorted(digests.keys() - named)) if whole else (),
    )


def listed(conn: Conn) -> list[dict[str, Any]]:
    """Return the rules in force with who loaded them, and their number of overrides."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL["listed"]).fetchall()


def history(conn: Conn, rule_id: str | None = None, *, limit: int = 100) -> list[Version]:
    """Return versions, the newest first, of one rule or of all."""
    with conn.cursor(row_factory=class_row(Version)) as cursor:
        return cursor.execute(SQL["history"], {"rule": rule_id, "limit": limit}).fetchall()


def _write(
    conn: Conn, rules: Sequence[Rule], load_of: tuple[str, str, str | None], *, whole: bool
) -> None:
    """Write new versions and retire old ones under one load; ``load_of``: author, note, files."""
    author, note, files = load_of
    active = {row[0]: row[2] for row in conn.execute(SQL["active_rules"])}
    digests = {rule.id: digest(rule) for rule in rules}
    fresh = [rule for rule in rules if active.get(rule.id) != digests[rule.id]]
    gone = sorted(active.keys() - digests.keys()) if whole else []
    said = {"author": author, "note": note, "files": files}
    row = conn.execute(SQL["add_load"], said).fetchone()
    number = row[0] if row is not None else None
    old = [rule.id for rule in fresh if rule.id in active]
    conn.execute(SQL["retire_rules"], {"rules": [*old, *gone], "load": number})
    for rule in fresh:
        conn.execute(
            SQL["add_rule"],
            {
                "rule": rule.id,
                "body": Jsonb(body(rule)),
                "sha256": digests[rule.id],
                "load": number,
            },
        )
    if fresh or gone:
        announce(conn, "rules")


def words_fault(author: str, key: str, words: str) -> str:
    """Return what is wrong with who does something and why, "" if nothing is."""
    if not words.strip():
        return f"{key}: say why in a sentence"
    if len(words) > MOST_WORDS:
        return f"{key}: at most {MOST_WORDS} characters"
    return "" if 0 < len(author) <= MOST_AUTHOR else f"author: 1 to {MOST_AUTHOR} characters"


def announce(conn: Conn, what: str) -> None:
    """Tell running workers, at the commit, that ``rules`` or ``overrides`` have changed."""
    conn.execute(SQL["announce"], {"what": what})


def _digest_of(rules: Sequence[Rule]) -> str:
    lines = "\n".join(f"{rule.id} {digest(rule)}" for rule in sorted(rules, key=lambda r: r.id))
    return hashlib.sha256(lines.encode()).hexdigest()


def _from_body(rule_id: str, plain: dict[str, Any]) -> Rule:
    try:
        return from_body(plain)
    except msgspec.ValidationError as error:
        raise RuleInvalid(
            f"rule {rule_id!r} in the database is none of this version of the program: {error}",
            remedy="load the rule files again with `blocktwin rule load --all`",
        ) from error
