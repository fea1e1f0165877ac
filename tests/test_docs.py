"""The documentation names every setting and command, and its links lead somewhere."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

import blocktwin
from core.command import sections
from core.config import KNOWN_SECTIONS
from core.fields import describe
from core.reference import render

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)\s]*)?\)")


def commands() -> Iterator[tuple[str, click.Command]]:
    for name, (target, _) in blocktwin.COMMANDS.items():
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        yield name, command
        if isinstance(command, click.Group):
            for verb, sub in command.commands.items():
                yield f"{name} {verb}", sub


def test_the_configuration_page_is_written_from_the_structs() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == render(sections()), "run: blocktwin config reference > docs/configuration.md"


def test_every_section_is_known_and_carries_its_name() -> None:
    assert set(blocktwin.SECTIONS) == set(KNOWN_SECTIONS)
    assert {name: kind.section for name, kind in sections().items()} == {
        name: name for name in blocktwin.SECTIONS
    }


@pytest.mark.parametrize("section", blocktwin.SECTIONS)
def test_every_field_says_what_it_is_and_what_happens(section: str) -> None:
    kind = sections()[section]
    assert kind.__doc__
    silent = [note.name for note in describe(kind) if len(note.description.split()) < 3]
    assert silent == []


@pytest.mark.parametrize("section", blocktwin.SECTIONS)
def test_every_section_but_the_required_fields_has_defaults_that_hold(section: str) -> None:
    kind = sections()[section]
    if any(note.required for note in describe(kind)):
        pytest.skip("this section has required fields")
    kind()


def test_every_command_has_help_and_stands_in_the_docs() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    flat = re.sub(r"\s+", " ", text)
    missing = [name for name, _ in commands() if not re.search(rf"\bblocktwin {name}\b", flat)]
    assert missing == []
    assert [name for name, command in commands() if not command.help] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target, _ in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), target
