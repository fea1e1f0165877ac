"""Filters by chance: well formed, of every entity, function and operator."""

from __future__ import annotations

import random

from twin.sensorthings.model import ENTITIES, Entity, Type

WORDS = ["heat", "smoke", "temperature", "a", "1", "", "设备", "TEMP", "gw-a", "within", " x "]
SHAPES = [
    "POINT (114.10045 22.50045)",
    "POLYGON ((114.1 22.5, 114.102 22.5, 114.102 22.502, 114.1 22.502, 114.1 22.5))",
    "LINESTRING (114.1 22.50045, 114.104 22.50045)",
    "POLYGON ((114.09 22.49, 114.11 22.49, 114.11 22.51, 114.09 22.51, 114.09 22.49))",
]
KEYS = {
    "Thing": ["kind", "interval_s", "height_m", "space", "attributes/floor", "nothing"],
    "Location": ["current", "space", "gateway_id"],
    "Datastream": ["quantity", "interval_s"],
    "Sensor": ["field", "zh"],
    "ObservedProperty": ["unit", "low", "high"],
    "FeatureOfInterest": ["kind", "height_m", "in_force"],
}
MOMENTS = [
    "2026-03-01T12:00:00Z",
    "2026-03-01T12:00:30.5Z",
    "2026-03-02T00:00:00%2B08:00".replace("%2B", "+"),
]


class Chance:
    """Makes filters over one entity type."""

    def __init__(self, entity: Entity, seed: int) -> None:
        self._entity = entity
        self._random = random.Random(f"{entity.name} {seed}")

    def filter(self, depth: int = 3) -> str:
        """Return a condition."""
        pick = self._random.random()
        if depth and pick < 0.3:
            joint = self._random.choice(["and", "or"])
            return f"({self.filter(depth - 1)}) {joint} ({self.filter(depth - 1)})"
        if depth and pick < 0.4:
            return f"not ({self.filter(depth - 1)})"
        makers = [self._numbers, self._texts, self._nulls, self._strings, self._json]
        makers += [self._times] * bool(self._paths(Type.TIME))
        makers += [self._shapes] * bool(self._paths(Type.GEO))
        return self._random.choice(makers)()

    def _paths(self, type_: Type) -> list[str]:
        own = [p.name for p in self._entity.properties.values() if p.type is type_ and p.column]
        for link in self._entity.links.values():
            target = ENTITIES[link.target]
            own += [
                f"{link.name}/{p.name}"
                for p in target.properties.values()
                if p.type is type_ and p.column
            ]
        return own

    def _number(self, depth: int = 2) -> str:
        pick = self._random.random()
        paths = self._paths(Type.NUMBER)
        if depth and pick < 0.4:
            sign = self._random.choice(["add", "sub", "mul", "div", "mod"])
            return f"({self._number(depth - 1)} {sign} {self._number(depth - 1)})"
        if depth and pick < 0.5:
            return (
                f"{self._random.choice(['round', 'floor', 'ceiling'])}({self._number(depth - 1)})"
            )
        if pick < 0.6:
            return f"length({self._text()})"
        if pick < 0.65:
            return f"indexof({self._text()},{self._word()})"
        if pick < 0.75 and (times := self._paths(Type.TIME)):
            part = self._random.choice(
                ["year", "month", "day", "hour", "minute", "second", "fractionalseconds",
                 "totaloffsetminutes"]
            )  # fmt: skip
            return f"{part}({self._random.choice(times)})"
        if paths and pick < 0.9:
            return self._random.choice(paths)
        return self._random.choice(["0", "1", "2.5", "-3", "20", "7", "0.125", "32767"])

    def _word(self) -> str:
        return f"'{self._random.choice(WORDS)}'"

    def _text(self, depth: int = 2) -> str:
        pick = self._random.random()
        if depth and pick < 0.2:
            return f"{self._random.choice(['tolower', 'toupper', 'trim'])}({self._text(depth - 1)})"
        if depth and pick < 0.3:
            return f"concat({self._text(depth - 1)},{self._text(depth - 1)})"
        if depth and pick < 0.4:
            return f"substring({self._text(depth - 1)},{self._random.choice(['-1', '0', '2'])})"
        if depth and pick < 0.45:
            return f"substring({self._text(depth - 1)},1,{self._random.choice(['0', '3'])})"
        paths = self._paths(Type.TEXT)
        return self._random.choice(paths) if paths and pick < 0.9 else self._word()

    def _operator(self) -> str:
        return self._random.choice(["eq", "ne", "lt", "le", "gt", "ge"])

    def _numbers(self) -> str:
        return f"{self._number()} {self._operator()} {self._number()}"

    def _texts(self) -> str:
        return f"{self._text()} {self._operator()} {self._text()}"

    def _nulls(self) -> str:
        paths = self._paths(Type.TEXT) + self._paths(Type.NUMBER)
        return f"{self._random.choice(paths)} {self._random.choice(['eq', 'ne'])} null"

    def _strings(self) -> str:
        if self._random.random() < 0.4:
            return f"substringof({self._word()},{self._text()})"
        name = self._random.choice(["startswith", "endswith"])
        return f"{name}({self._text()},{self._word()})"

    def _json(self) -> str:
        keys = KEYS.get(self._entity.name)
        if keys is None:
            return self._numbers()
        path = f"properties/{self._random.choice(keys)}"
        value = self._random.choice(
            ["'heat'", "'within'", "10", "3", "1", "true", "null", "'fire'"]
        )
        sign = (
            self._operator() if value not in {"true", "null"} else self._random.choice(["eq", "ne"])
        )
        return f"{path} {sign} {value}"

    def _times(self) -> str:
        path = self._random.choice(self._paths(Type.TIME))
        moment = self._random.choice([*MOMENTS, "now()", "mindatetime()", "maxdatetime()"])
        pick = self._random.random()
        if pick < 0.3:
            return f"{self._random.choice(['before', 'after'])}({path},{moment})"
        if pick < 0.5:
            return f"during({path},{MOMENTS[0]}/{MOMENTS[1]})"
        if pick < 0.6:
            return f"{self._random.choice(['before', 'after'])}({path},{MOMENTS[0]}/{MOMENTS[1]})"
        if pick < 0.7:
            return f"date({path}) {self._operator()} '2026-03-01'"
        if pick < 0.8:
            return f"time({path}) {self._operator()} '12:00:10'"
        if pick < 0.9:
            return f"{path} sub duration'PT30S' {self._operator()} {MOMENTS[0]}"
        return f"{path} {self._operator()} {moment}"

    def _shapes(self) -> str:
        path = self._random.choice(self._paths(Type.GEO))
        shape = f"geography'{self._random.choice(SHAPES)}'"
        pick = self._random.random()
        if pick < 0.3:
            metres = self._random.choice(["0", "60", "150"])
            return f"geo.distance({path},{shape}) {self._operator()} {metres}"
        if pick < 0.4:
            return f"st_relate({path},{shape},'T********')"
        name = self._random.choice(
            ["st_equals", "st_disjoint", "st_touches", "st_within", "st_overlaps", "st_crosses",
             "st_intersects", "st_contains", "geo.intersects"]
        )  # fmt: skip
        one, other = (path, shape) if self._random.random() < 0.7 else (shape, path)
        return f"{name}({one},{other})"
