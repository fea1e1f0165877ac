"""Judge the codes of a map: their shape, their being unique, and the parent they speak of."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from core.model import SpaceKind
from geodata import codes
from geodata.codes import Cause, CodeKind, CodeMalformed
from geodata.maps.laid import Laid, finding
from geodata.maps.model import Cells, Finding, Weight
from geodata.said import KINDS_ZH, Said, place_zh, quoted

_MOST_SHAPES = 8


def judge(laid: Laid, existing: Cells) -> Iterator[Finding]:
    """Yield what is wrong with the codes; ``existing`` is everything in force."""
    yield from _malformed(laid)
    yield from _rounded(laid)
    yield from _twice(laid)
    yield from _of_another_kind(laid, existing)


def contradicts(code: str, parent: str) -> bool:
    """Tell whether a code's own digits place it in another space than ``parent``.

    Only where both are numbered by the known rules; the two grid digits of a building code say
    nothing of unit grids, so of a building the community is compared.
    """
    try:
        own, above = codes.parse(code), codes.parse(parent)
    except CodeMalformed:
        return False
    if CodeKind.BEIDOU in (own.kind, above.kind):
        return own.kind is above.kind and not own.text.startswith(above.text)
    if above.kind in (CodeKind.PROVINCE, CodeKind.CITY):
        return not own.text.startswith(above.text[: 2 if above.kind is CodeKind.PROVINCE else 4])
    common = above.text
    if own.kind in (CodeKind.BUILDING, CodeKind.HOUSE) and above.kind in (
        CodeKind.GRID, CodeKind.BLOCK,
    ):  # fmt: skip
        common = above.text[:12]
    return not own.text.startswith(common)


def _malformed(laid: Laid) -> Iterator[Finding]:
    strange: dict[str, list[int]] = defaultdict(list)
    for i, code in enumerate(laid.cells.codes):
        try:
            kind = codes.parse(code).kind
        except CodeMalformed as wrong:
            if wrong.cause is Cause.SHAPE and code.strip():
                strange[re.sub("[0-9]+", "9", code)].append(i)
            else:
                yield _wrong(laid, i, wrong)
            continue
        if kind.value in set(SpaceKind) and kind.value != laid.cells.kinds[i].value:
            yield finding(
                laid, "malformed_code", Weight.WARNING, [i],
                Said(
                    f"{code} 是{KINDS_ZH[SpaceKind(kind.value)]}编码，"
                    f"但该单元为{KINDS_ZH[laid.cells.kinds[i]]}",
                    f"{code} is the code of a {kind}, but the cell is a {laid.cells.kinds[i]}",
                ),
                mend=Said(
                    "请核对层级或编码哪个有误", "look whether the kind or the code is wrong"
                ),
            )  # fmt: skip
    yield from _strange(laid, strange)


def _wrong(laid: Laid, i: int, wrong: CodeMalformed) -> Finding:
    weight = Weight.WARNING if wrong.cause is Cause.DIGITS else Weight.ERROR
    mend = (
        Said(f"应写作 {wrong.mended}", f"write {wrong.mended}")
        if wrong.mended
        else Said("请在制图源数据中改正", "correct it where the map was made")
    )
    reason = Said(wrong.reason_zh, wrong.reason)
    return finding(laid, "malformed_code", weight, [i], reason, mend=mend)


def _strange(laid: Laid, strange: dict[str, list[int]]) -> Iterator[Finding]:
    """Tell codes that are numbered by rules of their own, once for each pattern."""
    patterns = sorted(strange.items(), key=lambda item: -len(item[1]))
    for _, indices in patterns[:_MOST_SHAPES]:
        yield _own_rules(laid, indices)
    rest = [i for _, indices in patterns[_MOST_SHAPES:] for i in indices]
    if rest:
        yield _own_rules(laid, rest)


def _own_rules(laid: Laid, indices: list[int]) -> Finding:
    count = f"{len(indices)} codes as" if len(indices) > 1 else "the code"
    first = laid.cells.codes[indices[0]][:64]
    like = (
        f"{len(indices)} 个形如{quoted(first)}的编码"
        if len(indices) > 1
        else (f"编码{quoted(first)}")
    )
    return finding(
        laid, "malformed_code", Weight.WARNING, indices,
        Said(
            f"{like}不符合已知规则（6、9、12、15、17、19、25 位数字码或北斗网格码）",
            f"{count} {first!r} follow{'s' * (len(indices) == 1)} none of "
            "the known rules (6, 9, 12, 15, 17, 19 or 25 digits, or a BeiDou grid code)",
        ),
        mend=Said(
            "若本辖区自行编码，无须处理；上级单元将只按位置判定",
            "nothing, if the district numbers so; parents are then found by place alone",
        ),
    )  # fmt: skip


def _rounded(laid: Laid) -> Iterator[Finding]:
    if codes.rounded(laid.cells.codes):
        long = [i for i, code in enumerate(laid.cells.codes) if len(code) in (17, 19)]
        yield finding(
            laid, "rounded_codes", Weight.ERROR, long,
            Said(
                f"全部 {len(long)} 个 17 位和 19 位编码都恰为浮点数可表示的值，并非巧合："
                "末几位在转换中已被改变",
                f"all {len(long)} codes of 17 and 19 digits are such as a floating-point number "
                "can hold, which is no chance: their last digits were changed on the way",
            ),
            mend=Said(
                "该列请按文本重新提供；丢失的位数无法从本文件恢复",
                "deliver the column as text; the digits cannot be had back from this file",
            ),
        )  # fmt: skip


def _twice(laid: Laid) -> Iterator[Finding]:
    places: dict[str, list[int]] = defaultdict(list)
    for i, code in enumerate(laid.cells.codes):
        places[code].append(i)
    for code, indices in places.items():
        if len(indices) > 1:
            wheres = ", ".join(laid.cells.wheres[i] or f"cell {i + 1}" for i in indices[:5])
            places_zh = "；".join(
                place_zh(laid.cells.wheres[i]) or f"第 {i + 1} 个单元" for i in indices[:5]
            )
            yield finding(
                laid, "duplicate_code", Weight.ERROR, indices[:1],
                Said(
                    f"{code or '空编码'} 在图中出现 {len(indices)} 次：{places_zh}",
                    f"{code or 'an empty code'} stands {len(indices)} times in the map: {wheres}",
                ),
                mend=Said(
                    "请为每个单元单独编码，或把各部分合并为一个轮廓",
                    "give each cell a code of its own, or make the parts one outline",
                ),
                spot=laid.shapes[indices[1]],
            )  # fmt: skip


def _of_another_kind(laid: Laid, existing: Cells) -> Iterator[Finding]:
    in_force = dict(zip(existing.codes, existing.kinds, strict=True))
    for i, (code, kind) in enumerate(zip(laid.cells.codes, laid.cells.kinds, strict=True)):
        if in_force.get(code, kind) is not kind:
            yield finding(
                laid, "duplicate_code", Weight.ERROR, [i],
                Said(
                    f"{code} 在图中为{KINDS_ZH[kind]}，在现行地图中为{KINDS_ZH[in_force[code]]}",
                    f"{code} is a {kind} in the map and a {in_force[code]} in force",
                ),
                mend=Said(
                    "请另行编码，或按另一层级读取该图层",
                    "give it another code, or read the layer as the other kind",
                ),
                spot=laid.shapes[i],
            )  # fmt: skip
