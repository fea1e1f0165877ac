"""``blocktwin rule``."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec
from psycopg import Connection

from alerts import rule_listing, rule_trials, rulebook, rulestore
from alerts.backtest.command import backtest_command
from alerts.command_override import override
from alerts.config import AlertsConfig
from alerts.rule_trials import Outcome
from alerts.rulebook import Book
from alerts.rules import Rule, body
from core.config import DatabaseConfig, Invocation
from core.db.pool import connect

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_FILES = click.argument("files", nargs=-1, type=click.Path(path_type=Path))
_ALL = click.option("--all", "whole", is_flag=True, help="End every rule not in the files.")


@click.group()
def rule() -> None:
    """Check, test, load, compare and try alarm rules."""


rule.add_command(override)
rule.add_command(backtest_command)


@rule.command()
@_FILES
@_JSON
@click.pass_obj
def check(invocation: Invocation, files: tuple[Path, ...], *, as_json: bool) -> None:
    """Check rule files; without FILES the ones that the worker would load."""
    book = _book(invocation, files)
    if as_json:
        click.echo(json.dumps({"rules": len(book.rules), "tests": len(book.tests)}))
    else:
        click.echo(f"{len(book.rules)} rules, all usable; {len(book.tests)} tests")


@rule.command()
@_FILES
@_JSON
@click.pass_obj
def test(invocation: Invocation, files: tuple[Path, ...], *, as_json: bool) -> None:
    """Play the tests in rule files through the engine; exit code 1 if one does not hold."""
    book = _book(invocation, files)
    outcomes = _played(book, _known(invocation, files))
    failed = [(source, outcome) for source, outcome in outcomes if not outcome.holds]
    if as_json:
        _print_json(
            {
                "tests": len(outcomes),
                "failed": [{"file": source, **_plain(outcome)} for source, outcome in failed],
            }
        )
    else:
        for source, outcome in failed:
            click.echo(f"{source}: rule {outcome.rule!r}: test {outcome.name!r} does not hold:")
            click.echo("\n".join(f"    {line}" for line in outcome.differences))
        tested = {outcome.rule for _, outcome in outcomes}
        untested = sum(each.id not in tested for each in book.rules)
        click.echo(
            f"{len(outcomes) - len(failed)} of {len(outcomes)} tests hold; "
            f"{untested} of {len(book.rules)} rules have none"
        )
    if failed:
        click.get_current_context().exit(1)


@rule.command("list")
@click.option("--in-force", is_flag=True, help="List what the database says is in force.")
@_JSON
@click.pass_obj
def list_rules(invocation: Invocation, *, in_force: bool, as_json: bool) -> None:
    """List the rules that the worker would load, or with --in-force those that judge now."""
    if in_force:
        with _database(invocation) as conn:
            rows = rulestore.listed(conn)
        words = {"rules": [rule_listing.word(row) for row in rows]}
        _echo(words, rule_listing.in_force_lines(rows), as_json=as_json)
        return
    rules = _configured(invocation).rules
    _echo([body(each) for each in rules], rule_listing.lines(rules), as_json=as_json)


@rule.command()
@_FILES
@_ALL
@click.option("--note", required=True, help="Why: a sentence for the history.")
@click.option("--as", "author", default="", help="Who; the system's user if not given.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--untested", is_flag=True, help="Load although a test does not hold.")
@_JSON
@click.pass_obj
def load(
    invocation: Invocation,
    files: tuple[Path, ...],
    *,
    whole: bool,
    note: str,
    author: str,
    dry_run: bool,
    untested: bool,
    as_json: bool,
) -> None:
    """Put rule files in force; running workers take them over at once.

    Without FILES all that a start would load, which ends rules that are not in them; with FILES
    only those rules, unless --all says that they are all.
    """
    book = _book(invocation, files)
    if not untested:
        _refuse_untrue(book, _known(invocation, files))
    with _database(invocation) as conn:
        change = rulestore.put(
            conn,
            book.rules,
            author=author or getpass.getuser(),
            note=note,
            whole=whole or not files,
            dry_run=dry_run,
        )
    numbers = len(change.added), len(change.changed), len(change.retired)
    said = "{}{} new, {} changed, {} ended".format("would load: " if dry_run else "", *numbers)
    _echo(_plain(change) | {"dry_run": dry_run}, [said], as_json=as_json)


@rule.command()
@_FILES
@_ALL
@_JSON
@click.pass_obj
def diff(invocation: Invocation, files: tuple[Path, ...], *, whole: bool, as_json: bool) -> None:
    """Show what loading would change, key by key; exit code 1 if anything."""
    book = _book(invocation, files)
    with _database(invocation) as conn:
        now = [entry.rule for entry in rulestore.in_force(conn)]
    change = rulestore.compare(book.rules, now, whole=whole or not files)
    bodies = {each.id: body(each) for each in now}
    keys = {
        each.id: [
            {"key": key, "in_force": was, "file": is_now}
            for key, was, is_now in rule_listing.differences(bodies[each.id], body(each))
        ]
        for each in book.rules
        if each.id in change.changed
    }
    lines = list(rule_listing.diff_lines(change, book.rules, bodies)) or ["no difference"]
    _echo(_plain(change) | {"changed": keys}, lines, as_json=as_json)
    if change:
        click.get_current_context().exit(1)


@rule.command()
@click.argument("rule_id", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@_JSON
@click.pass_obj
def history(invocation: Invocation, rule_id: str | None, *, limit: int, as_json: bool) -> None:
    """Show the versions of a rule, or of all: who loaded them, when and why."""
    with _database(invocation) as conn:
        versions = rulestore.history(conn, rule_id, limit=limit)
    _echo(
        [_plain(each) for each in versions], rule_listing.history_lines(versions), as_json=as_json
    )


def _played(book: Book, known: dict[str, Rule]) -> list[tuple[str, Outcome]]:
    """Play all tests of a book, each with the name of its file."""
    rules = known | {each.id: each for each in book.rules}
    with click.progressbar(book.tests, label="playing tests", file=sys.stderr) as tests:
        return [(source, rule_trials.play(one, rules)) for source, one in tests]


def _refuse_untrue(book: Book, known: dict[str, Rule]) -> None:
    """Refuse rules whose own tests do not hold."""
    for source, outcome in _played(book, known):
        if not outcome.holds:
            raise click.ClickException(
                f"{source}: rule {outcome.rule!r}: test {outcome.name!r} does not hold; "
                "`blocktwin rule test` shows the difference, --untested loads all the same"
            )


def _book(invocation: Invocation, files: tuple[Path, ...]) -> Book:
    return rulebook.some(files, _known(invocation, files)) if files else _configured(invocation)


def _known(invocation: Invocation, files: tuple[Path, ...]) -> dict[str, Rule]:
    """Return the configured rules, which those of single files may name."""
    return {each.id: each for each in _configured(invocation).rules} if files else {}


def _configured(invocation: Invocation) -> Book:
    return rulebook.configured(invocation.load(AlertsConfig).get(AlertsConfig).rules_dir)


def _database(invocation: Invocation) -> Connection[Any]:
    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    return connect(database, autocommit=True, application_name="blocktwin rule")


def _echo(words: Any, lines: Iterable[str], *, as_json: bool) -> None:
    if as_json:
        _print_json(words)
    else:
        for line in lines:
            click.echo(line)


def _print_json(words: Any) -> None:
    click.echo(msgspec.json.encode(words).decode())


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(value)
    return said
