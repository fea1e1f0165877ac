"""What the kinds of findings are called, in Chinese and English (docs/map-checks.md has more)."""

from __future__ import annotations

TITLES: dict[str, tuple[str, str]] = {
    "shift": ("整图偏移", "shifted map"),
    "far_vertices": ("远离辖区的点", "vertices far away"),
    "empty_geometry": ("没有轮廓", "no outline"),
    "invalid_geometry": ("几何无效", "invalid geometry"),
    "duplicate_code": ("编码重复", "duplicate code"),
    "malformed_code": ("编码格式不符", "malformed code"),
    "rounded_codes": ("编码被舍入", "rounded codes"),
    "orphan": ("没有上级", "orphan"),
    "unknown_parent": ("上级不存在", "unknown parent"),
    "parent_disagrees": ("编码与上级不符", "code against parent"),
    "outside_parent": ("超出上级范围", "outside its parent"),
    "overlap": ("重叠", "overlap"),
    "gap": ("空隙", "gap"),
    "sliver": ("狭缝", "sliver"),
    "tiny_cell": ("面积过小", "tiny cell"),
    "huge_cell": ("面积过大", "huge cell"),
    "repeated_vertices": ("重复节点", "repeated vertices"),
    "parent_found": ("上级已补全", "parent filled in"),
}
"""Kind of finding of the check -> its title."""

OTHERS: dict[str, tuple[str, str]] = {
    "frame": ("坐标系", "coordinate system"),
    "encoding": ("文字编码", "text encoding"),
    "not_closed": ("未闭合", "not closed"),
    "duplicate_member": ("成员重名", "member named twice"),
    "text_cut": ("文字被截断", "text cut off"),
    "unit": ("长度单位", "unit of length"),
    "layer_left_out": ("略去图层", "layer left out"),
    "not_an_area": ("不是面", "not an area"),
    "closed_line": ("闭合线", "closed line"),
    "heights_dropped": ("高程已舍去", "heights dropped"),
    "kind": ("层级判定", "kind of space"),
    "unknown_kind": ("层级不明", "unknown kind"),
    "height": ("高度无效", "height"),
    "gone": ("不再包含", "no longer held"),
    "adopted": ("改归上级", "taken over"),
    "unknown_within": ("范围不存在", "unknown extent"),
    "unusable_code": ("编码不可用", "unusable code"),
}
"""The same for findings of reading a file and of comparing it with the map in force."""
