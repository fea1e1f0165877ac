"""The bodies of ``/api/v1/maps``: proposals, their reports, and the line of versions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from core.model import SpaceKind
from twin.api.words import NO_NUL, Count, Note, Word

ProposalState = Literal["open", "applied", "withdrawn", "superseded"]
How = Literal["within", "snapped", "unplaced"]


SAFE_NAME = r"^[^\x00-\x1f/\\\x7f]{1,200}$"
Said = Annotated[str, Field(max_length=200, pattern=NO_NUL)]


class Declared(Word):
    """What the sender of a map says of it, as the query of the request."""

    name: Annotated[str, Field(pattern=SAFE_NAME, description="of the file, with its ending")]
    frame: Annotated[Said, Field(description="EPSG:4547, GCJ-02, BD-09, …")]
    layer: Annotated[list[Said], Field(max_length=50, description="may be repeated")] = Field(
        default_factory=list
    )
    encoding: Said = ""
    kind: Annotated[Said, Field(description="field of the level, or a level")] = ""
    code_field: Said = ""
    name_field: Said = ""
    name_en_field: Said = ""
    parent_field: Said = ""
    height_field: Said = ""
    origin: Annotated[Said, Field(description="who made it, and under which licence")] = ""
    partial: Annotated[bool, Field(description="what the file lacks stays")] = False
    within: Annotated[Said, Field(description="the map is of this space only")] = ""
    note: Said = ""


class MapFile(Word):
    """Where a map came from; frame is the declared coordinate system."""

    name: str
    sha256: str
    size: Count
    driver: str
    layers: list[str]
    encoding: str
    frame: str
    origin: str


class MapFinding(Word):
    """Something a person should know of a map; at is a place, longitude first.

    Reports kept from before the Chinese sentences have them empty.
    """

    kind: str
    weight: Literal["error", "warning", "note"]
    codes: list[str]
    detail: Annotated[str, Field(description="one English sentence with the figures")]
    detail_zh: Annotated[str, Field(description="the same in Chinese")] = ""
    where: str
    mend: Annotated[str, Field(description="what would make it good; empty if nothing")]
    mend_zh: Annotated[str, Field(description="the same in Chinese")] = ""
    area_m2: float | None
    at: tuple[float, float] | None
    stage: Literal["reading", "judging"]


class MapCounts(Word):
    """How much a map changes, in spaces."""

    added: Count
    redrawn: Count
    changed: Count
    gone: Count
    same: Count


class RedrawnSpace(Word):
    """A space with another outline; shift_m is how far its border moved at most."""

    code: str
    area_before_m2: float | None
    area_after_m2: float | None
    shift_m: float | None


class ChangedSpace(Word):
    """A fact of a space that becomes another."""

    code: str
    field: str
    before: str
    after: str


class MapLineage(Word):
    """A split, a merge or a new code, guessed from the areas."""

    kind: Literal["split", "merge", "recoded"]
    before: list[str]
    after: list[str]
    shares: list[float]


class MapDiff(Word):
    """What a map changes."""

    added: list[str]
    redrawn: list[RedrawnSpace]
    changed: list[ChangedSpace]
    gone: list[str]
    same: Count
    left: list[str]
    lineages: list[MapLineage]
    counts: MapCounts


class DeviceMove(Word):
    """A device that gets another owner; from or to is null where it has none."""

    device_id: str
    from_: Annotated[str | None, Field(alias="from")]
    to: str | None
    how: How
    note: str


class GatewayMove(Word):
    """A gateway that gets another owner."""

    gateway_id: str
    from_: Annotated[str | None, Field(alias="from")]
    to: str | None
    how: How
    note: str


class ProposalHead(Word):
    """A proposal; current tells whether the map it was compared with is still in force."""

    proposal_id: int
    state: ProposalState
    made_at: datetime
    made_by: str
    note: str
    file: MapFile
    partial: bool
    within: str | None
    against: int | None
    in_force: int | None
    current: bool
    errors: Count
    warnings: Count
    settled_at: datetime | None
    settled_by: str | None
    settled_note: str
    version_id: int | None
    replaced_by: int | None


class ListedProposal(ProposalHead):
    """A proposal in the list."""

    counts: MapCounts
    moves: Count


class ProposalList(Word):
    """Proposals, the newest first."""

    proposals: list[ListedProposal]


class Proposal(ProposalHead):
    """A proposal with its report, its diff and who gets another owner."""

    findings: list[MapFinding]
    diff: MapDiff
    moves: list[DeviceMove]
    gateway_moves: list[GatewayMove]


class Application(Word):
    """Body of an application."""

    note: Note = ""
    accept_warnings: bool = False
    dry_run: bool = False


class Withdrawal(Word):
    """Body of a withdrawal."""

    note: Note = ""


class Rollback(Word):
    """Body of a rollback."""

    note: Note = ""
    dry_run: bool = False


class MapApplied(Word):
    """What an application or a rollback did, or in a dry run would do."""

    version: int
    added: list[str]
    redrawn: list[str]
    corrected: list[str]
    gone: list[str]
    moves: list[DeviceMove]
    gateway_moves: list[GatewayMove]
    dry_run: bool


class VersionHead(Word):
    """A version of the map."""

    version_id: int
    applied_at: datetime
    applied_by: str
    source: Literal["proposal", "rollback", "district load", "before versions"]
    undoes: int | None
    note: str
    proposal_id: int | None
    file: str | None
    added: Count
    redrawn: Count
    corrected: Count
    gone: Count


class ListedVersion(VersionHead):
    """A version in the list."""

    moves: Count


class VersionList(Word):
    """Versions, the newest first."""

    versions: list[ListedVersion]


class MapChange(Word):
    """What a version did to a code: from which row of the store to which, and the facts of both."""

    code: str
    before_id: int | None
    after_id: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class MapVersion(VersionHead):
    """A version with all that it did."""

    changes: list[MapChange]
    moves: list[DeviceMove]
    gateway_moves: list[GatewayMove]


class ProposalFeatureProperties(Word):
    """A space of a proposal; faulty ones could not be compared."""

    code: str
    kind: SpaceKind
    name: str
    name_en: str
    parent: str | None
    change: Literal["added", "redrawn", "gone", "same", "faulty"]
    part: Literal["before", "after"]


class ProposalFeature(Word):
    """A space as it is before or would be after."""

    type: Literal["Feature"]
    geometry: dict[str, Any]
    properties: ProposalFeatureProperties


class ProposalFeatures(Word):
    """A proposal as GeoJSON."""

    type: Literal["FeatureCollection"]
    features: list[ProposalFeature]


class LookedAt(Word):
    """What a file holds: layers, fields with samples, evidence for encoding and frame."""

    name: str
    driver: str
    size: Count
    sha256: str
    layers: list[dict[str, Any]]
    encoding: dict[str, Any]
    frame: dict[str, Any]
    guess: dict[str, Any]
