"""Say what the address service found, for the command line and the API alike."""

from __future__ import annotations

from typing import Any

from geodata.addresses.parts import Address
from geodata.addresses.places import Answer, Match, Sentence, Step
from geodata.addresses.reverse import Nearest, Where
from twin.addresses.store import Report

Word = dict[str, Any]


def answer(found: Answer) -> Word:
    """Return an answer: what was understood, and the matches."""
    return {
        "query": {
            "normalised": found.normalised,
            "parts": parts(found.query),
            "note": sentence(found.note),
        },
        "matches": [match(one) for one in found.matches],
    }


def parts(address: Address) -> Word:
    """Return the parts that are there."""
    return address.parts()


def match(one: Match) -> Word:
    """Return one match."""
    return {
        "address": one.address,
        "level": str(one.level),
        "score": one.score,
        "space_code": one.space_code,
        "space_kind": str(one.space_kind) if one.space_kind else None,
        "lon": round(one.lon, 7),
        "lat": round(one.lat, 7),
        "device_id": one.device_id,
        "interpolated": one.interpolated,
        "source": str(one.source),
        "why": sentence(one.why),
        "path": [step(each) for each in one.path],
    }


def where(found: Where) -> Word:
    """Return what is said of a point."""
    return {
        "lon": round(found.lon, 7),
        "lat": round(found.lat, 7),
        "address": found.address or None,
        "level": str(found.level) if found.level else None,
        "space_code": found.space_code,
        "how": found.how,
        "distance_m": found.distance_m,
        "nearest": nearest(found.nearest) if found.nearest else None,
        "why": sentence(found.why),
        "path": [step(each) for each in found.path],
    }


def nearest(one: Nearest) -> Word:
    """Return the nearest known place."""
    return {
        "address": one.address,
        "level": str(one.level),
        "distance_m": one.distance_m,
        "direction": sentence(one.direction),
        "lon": round(one.lon, 7),
        "lat": round(one.lat, 7),
    }


def step(one: Step) -> Word:
    """Return one space of a path."""
    return {"code": one.code, "kind": str(one.kind), "name": one.name, "name_en": one.name_en}


def sentence(one: Sentence) -> Word:
    """Return a sentence in both languages."""
    return {"zh": one.zh, "en": one.en}


def report(one: Report) -> Word:
    """Return what an import did."""
    return {
        "dry_run": one.dry_run,
        "rows": one.rows,
        "added": one.added,
        "updated": one.updated,
        "same": one.same,
        "kept_back": one.kept_back,
        "kept": [{"line": kept.line, "reason": kept.reason} for kept in one.kept],
    }
