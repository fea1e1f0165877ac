"""The encodings of map files: said, asked for, never guessed in silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UsageError
from geodata.frames import frame
from geodata.maps import encoding, fields, read, write
from geodata.maps.encoding import EncodingUnknown
from geodata.maps.fields import Mapping
from geodata.maps.model import Weight
from tests.support.map_files import box, shapefile, small_map, write_raw

GROUND = frame("EPSG:4490")
PLAIN = Mapping(code="code", kind="kind", name="name")
NAMES = ["桂园街道", "东门", "罗湖"]


@pytest.mark.parametrize(
    ("written", "cpg"),
    [("GBK", "GBK"), ("GBK", "936"), ("GBK", "ANSI 936"), ("UTF-8", "UTF-8"), ("UTF-8", "65001")]
)  # fmt: skip
def test_a_cpg_is_respected(tmp_path: Path, written: str, cpg: str) -> None:
    path = shapefile(tmp_path, NAMES, encoding=written, cpg=cpg)
    content = read.read(path, frame=GROUND, mapping=PLAIN)
    assert list(content.cells.names) == NAMES
    assert content.source.encoding == encoding.named(cpg)


def test_without_a_cpg_text_that_is_not_ascii_is_refused_with_samples(tmp_path: Path) -> None:
    path = shapefile(tmp_path, NAMES, encoding="GBK", cpg=None)
    with pytest.raises(EncodingUnknown, match=r"no \.cpg that.*GB18030: .*桂园街道"):
        read.read(path, frame=GROUND, mapping=PLAIN)
    content = read.read(path, frame=GROUND, mapping=PLAIN, encoding="gbk")
    assert list(content.cells.names) == NAMES
    seen = read.look(path)
    assert not seen.encoding.sure
    assert "GB18030" in dict(seen.encoding.candidates)
    assert "UTF-8" not in dict(seen.encoding.candidates)
    assert "no .cpg" in seen.encoding.remarks[0]


def test_a_cpg_that_nobody_understands_counts_as_none(tmp_path: Path) -> None:
    path = shapefile(tmp_path, NAMES, encoding="GBK", cpg="OEM")
    with pytest.raises(EncodingUnknown, match="cpg that is understood"):
        read.read(path, frame=GROUND, mapping=PLAIN)
    assert list(read.read(path, frame=GROUND, mapping=PLAIN, encoding="GBK").cells.names) == NAMES


@pytest.mark.parametrize(
    ("name", "meant"), [("ANSI_1251", "cp1251"), ("936", "GBK"), ("windows-1252", "cp1252")]
)
def test_code_pages_have_many_names(name: str, meant: str) -> None:
    assert encoding.named(name) == meant


def test_utf8_without_a_cpg_is_asked_for_too_and_is_the_first_candidate(tmp_path: Path) -> None:
    path = shapefile(tmp_path, NAMES, encoding="UTF-8", cpg=None)
    assert read.look(path).encoding.candidates[0][0] == "UTF-8"
    with pytest.raises(EncodingUnknown):
        read.read(path, frame=GROUND, mapping=PLAIN)


def test_a_declared_encoding_that_does_not_fit_names_the_place(tmp_path: Path) -> None:
    path = shapefile(tmp_path, NAMES, encoding="GBK", cpg=None)
    with pytest.raises(EncodingUnknown, match="layer map, feature 1") as refused:
        read.read(path, frame=GROUND, mapping=PLAIN, encoding="UTF-8")
    assert "GB18030" in refused.value.remedy


def test_a_declaration_against_the_cpg_is_a_warning(tmp_path: Path) -> None:
    path = shapefile(tmp_path, NAMES, encoding="GBK", cpg="GBK")
    content = read.read(path, frame=GROUND, mapping=PLAIN, encoding="GB18030")
    assert [f.weight for f in content.findings if f.kind == "encoding"] == [Weight.WARNING]


@pytest.mark.parametrize("name", ["klingon", "base64", "hex", "", "x" * 999, "rot13"])
def test_what_is_no_encoding_is_refused(name: str) -> None:
    with pytest.raises(EncodingUnknown, match="no encoding of text"):
        encoding.named(name)


@given(st.text("罗湖区桂园街道办事处东门网格楼栋一二三", min_size=1, max_size=30))
def test_the_true_encoding_is_always_among_the_candidates(text: str) -> None:
    for name in ("UTF-8", "GB18030"):
        held = dict(encoding.candidates([text.encode(name)]))
        assert held[name] == text


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_candidates_of_any_bytes_are_those_that_decode(pieces: list[bytes]) -> None:
    for name, _ in encoding.candidates(pieces):
        assert all(isinstance(piece.decode(name), str) for piece in pieces)


def test_text_that_an_encoding_or_a_dbf_cannot_hold_is_refused_on_writing(tmp_path: Path) -> None:
    cells = small_map(1)
    for name, enc, says in (("🏙", "GBK", "cannot hold"), ("桂" * 100, "UTF-8", "300 bytes")):
        with pytest.raises(UsageError, match=says):
            write.write(tmp_path / "m.zip", replace(cells, names=(name,)), format="shp",
                        frame=GROUND, encoding=enc)  # fmt: skip


@pytest.mark.parametrize("enc", ["GBK", "UTF-8"])
def test_a_shapefile_is_written_in_the_encoding_that_was_asked(tmp_path: Path, enc: str) -> None:
    write.write(tmp_path / "m", small_map(), format="shp", frame=GROUND, encoding=enc)
    dbf = next((tmp_path / "m").glob("*.dbf")).read_bytes()
    assert "桂园街区0".encode(enc) in dbf
    assert next((tmp_path / "m").glob("*.cpg")).read_text() == enc


@pytest.mark.parametrize("cpg", ["UTF-8", None])
def test_names_that_a_dbf_cuts_within_a_sign_are_read_and_told(
    tmp_path: Path, cpg: str | None
) -> None:
    code = np.array(["440303001001001"], dtype=object)
    name = np.array(["n" * 80], dtype=object)
    path = write_raw(tmp_path / "map.shp", {"c" * 10: code, "n" * 10: name}, [box(0)])
    dbf = path.with_suffix(".dbf")
    data = dbf.read_bytes().replace(b"n" * 80, ("桂园街道" * 9).encode()[:80])
    data = data.replace(b"c" * 10, "网格编码".encode()[:10])
    dbf.write_bytes(data.replace(b"n" * 10, "网格名称".encode()[:10]))
    if cpg is None:
        path.with_suffix(".cpg").unlink()
    mapping = fields.guess(read.look(path, encoding="UTF-8")).mapping
    assert (mapping.code, mapping.name) == ("网格编", "网格名")
    content = read.read(path, frame=GROUND, mapping=mapping, encoding=None if cpg else "UTF-8")
    assert content.cells.codes == ("440303001001001",)
    assert content.cells.names == ("桂园街道" * 6 + "桂园",)
    (told,) = [one for one in content.findings if one.kind == "text_cut"]
    assert told.weight is Weight.WARNING
    assert "网格编" in told.detail
    assert "UTF-8" in dict(read.look(path).encoding.candidates)


def test_text_that_does_not_fill_its_field_is_never_taken_for_cut(tmp_path: Path) -> None:
    path = shapefile(tmp_path, ["中"], encoding="UTF-8", cpg="936")
    with pytest.raises(EncodingUnknown, match="is not GBK"):
        read.read(path, frame=GROUND, mapping=PLAIN)
