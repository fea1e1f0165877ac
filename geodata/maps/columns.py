"""From the columns of a layer to codes, kinds, names, parents and heights, with what is odd.

A code is never repaired: it is taken as it stands, and a finding says what a spreadsheet did to it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import UsageError
from core.model import SpaceKind
from geodata import codes
from geodata.maps.fields import Mapping, declared_kind, kind_of, kind_of_layer
from geodata.maps.model import Finding, Weight, told
from geodata.maps.raw import Bounds, FileRefused, RawLayer, Value
from geodata.said import KINDS_ZH, Said, quoted

_TOLD = 20
_HIGHEST_M = 2_000.0
_AS_TEXT = Said("该列请从源数据按文本提供", "deliver the column as text, from its source")
_KIND_WORDS = "街道、社区、网格、街区、楼栋"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the rows of a layer say; all of one length.

    Attributes:
        kinds: None where nobody says the kind; that row is an error finding.
    """

    codes: tuple[str, ...]
    kinds: tuple[SpaceKind | None, ...]
    names: tuple[str, ...]
    names_en: tuple[str, ...]
    parents: tuple[str, ...]
    heights_m: npt.NDArray[np.float64]
    findings: tuple[Finding, ...]


def of(layer: RawLayer, rows: Sequence[int], mapping: Mapping, bounds: Bounds) -> Columns:
    """Read the meaning of some rows.

    Raises:
        UsageError: if a declared field is missing, or a text is too long.
    """
    findings: list[Finding] = []
    held = _texts(layer, rows, mapping, bounds)
    findings += _spoiled(layer, rows, mapping, "code")
    findings += _spoiled(layer, rows, mapping, "parent")
    findings += _lost_zeros(layer, rows, held["code"])
    kinds = _kinds(layer, rows, mapping, held["code"], findings)
    return Columns(
        codes=held["code"],
        kinds=kinds,
        names=held["name"],
        names_en=held["name_en"],
        parents=held["parent"],
        heights_m=_heights(layer, rows, mapping, findings),
        findings=tuple(findings),
    )


def written(value: Value) -> str:
    """Return a value as text: whole numbers exactly, other numbers as they are kept.

    Example:
        >>> written(4403030010010100012), written(440303001.0), written(" a ")
        ('4403030010010100012', '440303001.0', 'a')
    """
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else repr(value)


def _texts(
    layer: RawLayer, rows: Sequence[int], mapping: Mapping, bounds: Bounds
) -> dict[str, tuple[str, ...]]:
    found = {}
    for role in ("code", "name", "name_en", "parent"):
        name = mapping.field_of(role, layer.columns)
        if not name:
            found[role] = ("",) * len(rows)
            continue
        column = layer.columns[name]
        texts = tuple(written(column[row]) for row in rows)
        for row, text in zip(rows, texts, strict=True):
            if len(text) > bounds.text_length:
                raise FileRefused(
                    f"{layer.where(row)}: {name} has {len(text)} signs; "
                    f"{bounds.text_length} are read"
                )
        found[role] = texts
    if not mapping.field_of("code", layer.columns):
        raise UsageError(
            f"layer {layer.name} has no field for the code"
            + (f" ({mapping.code!r} was declared)" if mapping.code else ""),
            remedy=f"declare one of its fields: {', '.join(list(layer.columns)[:20]) or 'none'}",
        )
    return found


def _spoiled(layer: RawLayer, rows: Sequence[int], mapping: Mapping, role: str) -> list[Finding]:
    name = mapping.field_of(role, layer.columns)
    if not name:
        return []
    column = layer.columns[name]
    found = []
    for row in rows:
        why = _why_spoiled(column[row])
        if why:
            found.append((row, written(column[row]), why))
    spoiled = [
        told(
            "malformed_code",
            Weight.ERROR,
            Said(f"字段 {name} 的值为{quoted(text)}：{why.zh}", f"{name} is {text!r}: {why.en}"),
            _AS_TEXT,
            codes=(text,),
            where=layer.where(row),
        )
        for row, text, why in found[:_TOLD]
    ]
    if len(found) > _TOLD:
        spoiled.append(_rest(layer, name, len(found) - _TOLD))
    return spoiled


def _rest(layer: RawLayer, name: str, count: int) -> Finding:
    return told(
        "malformed_code",
        Weight.ERROR,
        Said(
            f"字段 {name} 另有 {count} 个值曾被转为数值",
            f"{count} more values of {name} have gone through a number",
        ),
        _AS_TEXT,
        where=f"layer {layer.name}",
    )


def _why_spoiled(value: Value) -> Said | None:
    if isinstance(value, float):
        if abs(value) >= 2**53:
            return Said(
                "是浮点数，末几位已丢失", "a floating-point number, whose last digits are lost"
            )
        return Said("是浮点数，不是文本", "a floating-point number, not text")
    if not isinstance(value, str):
        return None
    try:
        codes.parse(value.strip())
    except codes.CodeMalformed as wrong:
        spoiled = wrong.cause is codes.Cause.SPOILED
        return Said(wrong.reason_zh, wrong.reason) if spoiled else None
    return None


def _lost_zeros(layer: RawLayer, rows: Sequence[int], texts: Sequence[str]) -> list[Finding]:
    """Find codes that are one or two digits shorter than nearly all others of their layer."""
    lengths = Counter(len(text) for text in texts if text.isascii() and text.isdigit())
    if not lengths:
        return []
    length, count = lengths.most_common(1)[0]
    short = [
        (row, text)
        for row, text in zip(rows, texts, strict=True)
        if text.isascii() and text.isdigit() and length - 2 <= len(text) < length
        and len(text) not in (6, 9, 12, 15, 17, 19, 25)
    ]  # fmt: skip
    if not short or len(short) > count / 4:
        return []
    return [
        told(
            "malformed_code",
            Weight.ERROR,
            Said(
                f"{quoted(text)}共 {len(text)} 位，而该图层另有 {count} 个编码为 {length} 位："
                "电子表格会丢掉前导零",
                f"{text!r} has {len(text)} digits and {count} others of the layer have "
                f"{length}: a spreadsheet drops leading zeros",
            ),
            _AS_TEXT,
            codes=(text,),
            where=layer.where(row),
        )
        for row, text in short[:_TOLD]
    ]


def _kinds(
    layer: RawLayer,
    rows: Sequence[int],
    mapping: Mapping,
    texts: Sequence[str],
    findings: list[Finding],
) -> tuple[SpaceKind | None, ...]:
    if layer.name in mapping.layers:
        return (mapping.layers[layer.name],) * len(rows)
    if mapping.kind.startswith("="):
        return (declared_kind(mapping.kind),) * len(rows)
    field = mapping.field_of("kind", layer.columns)
    if field:
        return _kinds_by_field(layer, rows, field, findings)
    whole = kind_of_layer(layer.name)
    if whole is not None:
        said = Said(
            f"图层 {layer.name} 全部按{KINDS_ZH[whole]}读取：依据图层名称",
            f"all of layer {layer.name} is {whole}: its name says so",
        )
        findings.append(_note(layer, said))
        return (whole,) * len(rows)
    said = Said("未声明层级，已按编码判定", "nobody says the kinds; the codes' own kinds are taken")
    findings.append(_note(layer, said))
    found = tuple(_kind_of_code(text) for text in texts)
    why = Said("未声明层级，编码也无法判定", "no kind is declared, and its code does not say")
    _tell_unknown(layer, rows, found, why, findings)
    return found


def _kinds_by_field(
    layer: RawLayer, rows: Sequence[int], field: str, findings: list[Finding]
) -> tuple[SpaceKind | None, ...]:
    column = layer.columns[field]
    found = tuple(kind_of(written(column[row])) for row in rows)
    why = Said(f"字段 {field} 的值不是空间层级", f"its {field} is no kind of space")
    _tell_unknown(layer, rows, found, why, findings)
    return found


def _tell_unknown(
    layer: RawLayer,
    rows: Sequence[int],
    found: Sequence[SpaceKind | None],
    why: Said,
    findings: list[Finding],
) -> None:
    unknown = [row for row, kind in zip(rows, found, strict=True) if kind is None]
    for number, row in enumerate(unknown[:_TOLD]):
        rest = len(unknown) - _TOLD if number == _TOLD - 1 else 0
        findings.append(
            told(
                "unknown_kind",
                Weight.ERROR,
                Said(
                    why.zh + (f"；另有 {rest} 个同样如此" if rest > 0 else ""),
                    why.en + (f"; so it is with {rest} more" if rest > 0 else ""),
                ),
                Said(
                    f"请填写{_KIND_WORDS}（或 {'、'.join(SpaceKind)}）之一，或声明该图层的层级",
                    f"write one of {', '.join(SpaceKind)}, or {_KIND_WORDS.replace('、', ', ')}; "
                    "or declare the kind of the layer",
                ),
                where=layer.where(row),
            )
        )


def _kind_of_code(text: str) -> SpaceKind | None:
    try:
        return SpaceKind(codes.parse(text).kind.value)
    except (codes.CodeMalformed, ValueError):
        return None


def _heights(
    layer: RawLayer, rows: Sequence[int], mapping: Mapping, findings: list[Finding]
) -> npt.NDArray[np.float64]:
    found = np.full(len(rows), np.nan)
    name = mapping.field_of("height", layer.columns)
    if not name:
        return found
    bad = []
    for i, row in enumerate(rows):
        value = written(layer.columns[name][row])
        if not value:
            continue
        try:
            height = float(value)
        except ValueError:
            height = math.nan
        if 0 <= height <= _HIGHEST_M:
            found[i] = height
        else:
            bad.append((row, value))
    if bad:
        row, value = bad[0]
        findings.append(
            told(
                "height",
                Weight.WARNING,
                Said(
                    f"字段 {name} 有 {len(bad)} 个值不是 0 至 {_HIGHEST_M:g} m 的高度，"
                    f"第一个为{quoted(value[:40])}；已略去",
                    f"{len(bad)} values of {name} are no height between 0 and "
                    f"{_HIGHEST_M:g} m, the first is {value[:40]!r}; they are left out",
                ),
                Said("请填写离地高度，单位为米", "write metres above ground"),
                where=layer.where(row),
            )
        )
    return found


def _note(layer: RawLayer, sentence: Said) -> Finding:
    return told("kind", Weight.NOTE, sentence, where=f"layer {layer.name}")
