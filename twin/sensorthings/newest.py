"""The newest Observation of every Datastream in one answer: packed rows, and bytes made before.

What a Datastream says of itself changes with the registry only, so its bytes are kept; the newest
readings come as one packed value (as in ``twin.history.latest``), and are written between them.
The answer is the one that ``twin.sensorthings.read`` would give; a test compares them.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import psycopg

from twin.history.latest import EPOCH_2000_US
from twin.history.latest import SQL as LATEST
from twin.sensorthings import catalogue, paging
from twin.sensorthings.address import Address
from twin.sensorthings.compiler import STATEMENTS
from twin.sensorthings.frames import Scope, order_of
from twin.sensorthings.model import ENTITIES
from twin.sensorthings.options import MOST_TOP, Options
from twin.sensorthings.read import FEW, Reader
from twin.sensorthings.render import judgement

AT_ONCE = 2
KEPT = 2
"""Registries whose Datastreams are kept: the addresses under which the API is reached."""
GZIP_LEVEL = 1
"""A higher one costs three times the time for a sixth of the size."""

Conn = psycopg.AsyncConnection[Any]

_ROW = np.dtype(
    [("series", ">i4"), ("observed", ">i8"), ("received", ">i8"), ("value", ">f8"), ("q", ">i4")]
)
_DATASTREAM = ENTITIES["Datastream"]
_MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
_NO_UNIT = '{"name":null,"symbol":null,"definition":null}'
_LINKS = tuple(name for name in _DATASTREAM.links if name != "Observations")


@dataclass(frozen=True, slots=True)
class Static:
    """The Datastreams that an answer may hold and one more, by id; JSON up to the Observations."""

    ids: npt.NDArray[np.int64]
    parts: list[bytes]


@dataclass(slots=True)
class Newest:
    """Makes the answers; one for each running API."""

    _static: dict[Hashable, Static] = field(default_factory=dict)
    _making: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def answer(self, reader: Reader, options: Options, where: str, version: object) -> bytes:
        """Return the body; ``version`` is that of the registry."""
        async with self._making:
            static = await self._datastreams(reader, version)
            row = await (
                await reader.conn.execute(LATEST["latest"], {"series": None}, binary=True)
            ).fetchone()
            packed = np.frombuffer((row[0] if row else None) or b"", dtype=_ROW)
            return await asyncio.to_thread(_body, static, packed, options, reader.base, where)

    async def _datastreams(self, reader: Reader, version: object) -> Static:
        key = (version, reader.base)
        if key not in self._static:
            cursor = await reader.conn.execute(
                STATEMENTS["datastream_words"], {"most": MOST_TOP + 1}, binary=True
            )
            rows = await cursor.fetchall()
            made = await asyncio.to_thread(_statics, rows, reader.base)
            while len(self._static) >= KEPT:
                del self._static[next(iter(self._static))]
            self._static[key] = made
        return self._static[key]


def asked(address: Address, options: Options) -> bool:
    """Tell whether just this is asked: many Datastreams, each with its newest Observation."""
    plain = (
        len(address.steps) == 1
        and address.entity is _DATASTREAM
        and address.many
        and not address.refs
        and options.limit > FEW
        and set(options.raw) == {"$top", "$expand"}
        and len(options.expand) == 1
    )
    if not plain:
        return False
    one = options.expand[0]
    orders = one.options.orderby
    return (
        one.link.name == "Observations"
        and set(one.options.raw) == {"$top", "$orderby"}
        and one.options.top == 1
        and len(orders) == 1
        and orders[0].descending
        and orders[0].path.leaf.name == "phenomenonTime"
        and not orders[0].path.links
    )


def compressed(body: bytes) -> bytes:
    """Return the body for a client that takes gzip."""
    return gzip.compress(body, GZIP_LEVEL, mtime=0)


def _statics(rows: Iterable[tuple[Any, ...]], base: str) -> Static:
    """Write what each says of itself, as ``relations.sql`` and ``render.word`` would.

    Far faster than they are, and whoever asks first after a change waits for it.
    """
    units = {one["id"]: _unit(one) for one in catalogue.quantities()}
    root = _json(f"{base}/Datastreams(")[:-1]
    ids, parts = [], []
    for number, device, quantity, name, lon, lat, interval_s in rows:
        links = "".join([f',"{one}@iot.navigationLink":{root}{number})/{one}"' for one in _LINKS])
        ids.append(number)
        parts.append(
            f'{{"@iot.id":{number},"@iot.selfLink":{root}{number})",'
            f'"name":{_json(f"{device}:{quantity}")},'
            f'"description":{_json(f"{quantity} of {name}")},'
            f'"observationType":"{_MEASUREMENT}",'
            f'"unitOfMeasurement":{units.get(quantity, _NO_UNIT)},"observedArea":'
            f'{{"type":"Point","coordinates":[{_number(lon)},{_number(lat)}]}},'
            f'"properties":{{"quantity":{_json(quantity)},"interval_s":{_number(interval_s)}}}'
            f'{links},"Observations":['.encode()
        )
    return Static(np.array(ids, dtype=np.int64), parts)


def _unit(quantity: dict[str, Any]) -> str:
    return _json(
        {
            "name": quantity["unit_name"],
            "symbol": quantity["symbol"],
            "definition": quantity["uom"],
        }
    )


def _number(value: float) -> str:
    """A number as the database's JSON has it.

    Example:
        >>> _number(60.0), _number(114.05)
        ('60', '114.05')
    """
    return str(int(value)) if value == int(value) else repr(value)


def _body(
    static: Static, packed: npt.NDArray[Any], options: Options, base: str, where: str
) -> bytes:
    limit = options.limit
    shown = static.ids[:limit]
    said = _observations(packed[np.isin(packed["series"], shown)], base)
    pieces: list[bytes] = []
    for number, part in zip(shown.tolist(), static.parts, strict=False):
        pieces += (b",", part, said.get(number, b""), b"]}")
    head = b""
    if len(static.ids) > limit:
        last = int(static.ids[limit - 1])
        token = paging.make(order_of(options, Scope()), limit, [last])
        link = paging.next_link(where, options.raw, limit, limit, token)
        head = b'"@iot.nextLink":' + msgspec.json.encode(link) + b","
    return b"".join((b"{", head, b'"value":[', *pieces[1:], b"]}"))


def _observations(packed: npt.NDArray[Any], base: str) -> dict[int, bytes]:
    """Return the JSON of each packed reading by its series."""
    observed = packed["observed"].astype(np.int64) + EPOCH_2000_US
    received = packed["received"].astype(np.int64) + EPOCH_2000_US
    quality = {bits: _json(judgement(bits)) for bits in np.unique(packed["q"]).tolist()}
    columns = zip(
        packed["series"].tolist(),
        observed.tolist(),
        np.datetime_as_string(observed.astype("datetime64[us]"), unit="us").tolist(),
        np.datetime_as_string(received.astype("datetime64[us]"), unit="us").tolist(),
        packed["value"].tolist(),
        packed["q"].tolist(),
        ((received - observed) / 1e6).tolist(),
        strict=True,
    )
    root = _json(f"{base}/Observations('")[:-1]
    return {
        series: (
            f'{{"@iot.id":"{series}-{us}","@iot.selfLink":{root}{series}-{us}\')",'
            f'"phenomenonTime":"{at}Z","resultTime":"{came}Z","result":{value!r},'
            f'"resultQuality":{quality[bits]},"parameters":{{"delay_s":{delay!r}}},'
            f'"Datastream@iot.navigationLink":{root}{series}-{us}\')/Datastream",'
            f'"FeatureOfInterest@iot.navigationLink":{root}{series}-{us}\')/FeatureOfInterest"}}'
        ).encode()
        for series, us, at, came, value, bits, delay in columns
    }


def _json(content: Any) -> str:
    return msgspec.json.encode(content).decode()
