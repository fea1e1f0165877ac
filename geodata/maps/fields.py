"""Which attribute means what: known names, the evidence for a guess, and a declaration in TOML.

Nothing is decided here in silence: ``guess`` gives its reasons, and whoever imports shows them.
"""

from __future__ import annotations

import re
import tomllib
from collections import abc
from dataclasses import dataclass, field
from typing import NamedTuple

from core.errors import UsageError
from core.model import SpaceKind
from geodata import codes
from geodata.maps.inspection import Inspection

KIND_WORDS: dict[str, SpaceKind] = {
    word: kind
    for kind, words in {
        SpaceKind.DISTRICT: "district 区 区县 行政区 县 市辖区 区界 county",
        SpaceKind.STREET: "street streets 街道 镇 乡 街道办 街镇 乡镇 街道界 subdistrict town",
        SpaceKind.COMMUNITY: "community communities 社区 村 居委会 村委会 社区界 居委",
        SpaceKind.GRID: "grid grids 网格 单元网格 基础网格 网格单元 网格界 cell",
        SpaceKind.BLOCK: "block blocks 街区 地块 街坊 宗地 街块 parcel",
        SpaceKind.BUILDING: "building buildings 楼栋 建筑 建筑物 楼 栋 房屋 楼宇 house bldg",
    }.items()
    for word in words.split()
}
"""What a kind is called in attribute values and layer names."""

_NAMES: dict[str, tuple[str, ...]] = {
    "code": (
        "code", "编码", "代码", "编号", "网格编码", "网格编号", "社区编码", "社区代码", "街道代码",
        "街道编码", "街区编码", "楼栋编码", "建筑编码", "统一编码", "统一编号", "行政区划代码",
        "区划代码", "space_code", "grid_code", "gridcode", "gridid", "grid_id", "block_code",
        "block_id", "building_code", "bldg_code", "bm", "dm", "bh", "wgbm", "sqbm", "sqdm", "jddm",
        "ldbm", "xzqdm", "id",
    ),
    "name": (
        "name", "名称", "网格名称", "社区名称", "街道名称", "街区名称", "楼栋名称", "建筑名称",
        "区划名称", "name_zh", "namezh", "name_cn", "cname", "mc", "wgmc", "sqmc", "jdmc", "ldmc",
        "xzqmc", "text",
    ),
    "name_en": ("name_en", "nameen", "英文名", "英文名称", "ename", "english", "en_name", "ywmc"),
    "parent": (
        "parent", "parent_code", "parentcode", "上级编码", "上级代码", "所属编码", "父级编码",
        "所属社区编码", "所属网格编码", "所属街道编码", "上级", "sjbm", "pcode", "parent_id",
    ),
    "height": (
        "height", "height_m", "高度", "建筑高度", "楼高", "高", "bldg_h", "jzgd", "gd", "zg",
    ),
    "kind": (
        "kind", "类型", "类别", "级别", "层级", "种类", "level", "type", "space_kind", "lx", "jb",
    ),
}  # fmt: skip
_CUT_NAME = re.compile("[\u4e00-\u9fff]{2}[编代名高]")
"""What a .dbf in UTF-8 leaves of 网格编码 and 网格名称: ten bytes."""

_LONGEST_FILE = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Names of the fields that mean something to us; "" is none.

    Several names for layers that differ are joined by ``|``; the first that a layer has is taken.

    Attributes:
        kind: a field, or ``=street`` (``=网格`` ...) when everything is of one kind.
        height: metres above ground.
        layers: kind by name of layer; goes before ``kind``.
    """

    code: str = ""
    kind: str = ""
    name: str = ""
    name_en: str = ""
    parent: str = ""
    height: str = ""
    layers: abc.Mapping[str, SpaceKind] = field(default_factory=dict)

    def field_of(self, role: str, held: abc.Collection[str]) -> str:
        """Return which of a layer's fields plays a role, "" if none does."""
        return next((name for name in str(getattr(self, role)).split("|") if name in held), "")


ROLES = ("code", "kind", "name", "name_en", "parent", "height")


class Guess(NamedTuple):
    """A mapping that was found by names, with the reasons."""

    mapping: Mapping
    evidence: tuple[str, ...]


def kind_of(text: str) -> SpaceKind | None:
    """Return the kind that a word stands for, Chinese or English, or None.

    Example:
        >>> kind_of("网格"), kind_of("Streets"), kind_of("?")
        (<SpaceKind.GRID: 'grid'>, <SpaceKind.STREET: 'street'>, None)
    """
    plain = text.strip().casefold().removesuffix("图层").removesuffix("层").removesuffix("面")
    return KIND_WORDS.get(plain)


def kind_of_layer(name: str) -> SpaceKind | None:
    """Return the kind that a layer's name speaks of, or None; ``JZ_楼栋`` and ``grid_2024`` do."""
    whole = kind_of(name)
    if whole is not None:
        return whole
    parts = [part for part in name.replace("-", "_").replace(" ", "_").split("_") if part]
    found = {kind for kind in map(kind_of, parts) if kind is not None}
    return found.pop() if len(found) == 1 else None


def guess(inspection: Inspection) -> Guess:
    """Return which fields seem to mean what, and why."""
    evidence: list[str] = []
    chosen: dict[str, list[str]] = {role: [] for role in ROLES}
    for layer in inspection.layers:
        held = {one.name: one.samples for one in layer.fields}
        taken: set[str] = set()
        for role in ROLES:
            name = _by_name(role, [n for n in held if n not in taken and _fits(role, held[n])])
            reason = f"its name is one of those for a {role}"
            if not name and role == "code":
                name = _by_content(held)
                reason = "its values are codes"
            if name:
                taken.add(name)
                if name not in chosen[role]:
                    chosen[role].append(name)
                sample = ", ".join(held[name][:3])
                evidence.append(f"layer {layer.name}: {name} is the {role}: {reason} ({sample})")
    layers = _layers(inspection, chosen["kind"], evidence)
    names = {role: "|".join(found) for role, found in chosen.items()}
    return Guess(_mapping(names, layers), tuple(evidence))


def _mapping(names: abc.Mapping[str, str], layers: abc.Mapping[str, SpaceKind]) -> Mapping:
    return Mapping(
        code=names.get("code", ""),
        kind=names.get("kind", ""),
        name=names.get("name", ""),
        name_en=names.get("name_en", ""),
        parent=names.get("parent", ""),
        height=names.get("height", ""),
        layers=layers,
    )


def _layers(inspection: Inspection, kinds: list[str], evidence: list[str]) -> dict[str, SpaceKind]:
    found = {}
    for layer in inspection.layers:
        kind = kind_of_layer(layer.name)
        if kind is not None and not any(one.name in kinds for one in layer.fields):
            found[layer.name] = kind
            evidence.append(f"layer {layer.name} is {kind}: its name says so")
    return found


def _by_name(role: str, names: abc.Iterable[str]) -> str:
    held = {name.strip().casefold(): name for name in names}
    whole = next((held[word] for word in _NAMES[role] if word in held), "")
    if whole:
        return whole
    cut = (name for name in held if _CUT_NAME.fullmatch(name))
    return next((held[name] for name in cut if _begins(role, name)), "")


def _fits(role: str, samples: abc.Sequence[str]) -> bool:
    """Tell whether a field can play a role; the name of a KML placemark is often its code."""
    filled = [text for text in samples if text]
    return role != "name" or not filled or not all(_is_code(text) for text in filled)


def _begins(role: str, name: str) -> bool:
    return any(word.startswith(name) for word in _NAMES[role])


def _by_content(held: abc.Mapping[str, abc.Sequence[str]]) -> str:
    for name, samples in held.items():
        filled = [text for text in samples if text]
        if filled and all(_is_code(text) for text in filled):
            return name
    return ""


def _is_code(text: str) -> bool:
    try:
        return codes.parse(text).kind is not codes.CodeKind.PROVINCE
    except codes.CodeMalformed:
        return False


def load(text: str | bytes) -> Mapping:
    """Read a declaration: TOML with ``[fields]`` and ``[layers]``.

    Raises:
        UsageError: naming the key that is wrong.
    """
    if len(text) > _LONGEST_FILE:
        raise UsageError(f"a mapping has at most {_LONGEST_FILE} bytes")
    try:
        table = tomllib.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as wrong:
        raise UsageError(f"the mapping is no TOML: {wrong}") from wrong
    extra = sorted(set(table) - {"fields", "layers"})
    if extra:
        raise UsageError(f"the mapping has {extra[0]!r}; known are [fields] and [layers]")
    roles = _words(table.get("fields", {}), "[fields]")
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise UsageError(f"[fields] has {unknown[0]!r}; known are {', '.join(ROLES)}")
    if roles.get("kind", "").startswith("="):
        declared_kind(roles["kind"])
    layers = _words(table.get("layers", {}), "[layers]")
    return _mapping(roles, {name: declared_kind(word) for name, word in layers.items()})


def declared_kind(word: str) -> SpaceKind:
    """Return the kind that was declared.

    Raises:
        UsageError: if it is none.
    """
    kind = kind_of(word.removeprefix("="))
    if kind is None:
        raise UsageError(
            f"{word!r} is no kind of space", remedy=f"one of {', '.join(SpaceKind)}, or 街道, 网格"
        )
    return kind


def _words(table: object, where: str) -> dict[str, str]:
    if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
        raise UsageError(f"{where} is a table of texts")
    return dict(table)
