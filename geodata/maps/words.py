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
"""Kind of finding -> its title."""
