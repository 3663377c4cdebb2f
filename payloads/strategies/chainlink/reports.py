"""Reports of every schema, from the schemas' own tables; and their feeds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st

from payloads.abi.fields import hexed
from payloads.chainlink.schemas import SCHEMAS, Report, Schema, schema_named
from payloads.errors import Misuse
from payloads.strategies.arguments import wrong
from payloads.strategies.values import values_of_table

SchemaLike = Schema | type[Report] | str | int


def schemas_of(function: str, schema: SchemaLike | Sequence[SchemaLike] | None) -> list[Schema]:
    """The schemas that an argument names: all of them for None."""
    if schema is None:
        return list(SCHEMAS.values())
    named = schema if isinstance(schema, list | tuple) else [schema]
    if not named:
        raise wrong(function, "schema", schema, "at least one schema")
    return [_schema_of(function, one) for one in named]


def _schema_of(function: str, schema: Any) -> Schema:
    if isinstance(schema, Schema):
        return schema
    if isinstance(schema, type) and isinstance(found := getattr(schema, "schema", None), Schema):
        return found
    try:
        return schema_named(schema)
    except Misuse as error:
        raise wrong(function, "schema", schema, f"one of {error.expected}") from None


def feed_ids(*, schema: SchemaLike | Sequence[SchemaLike] | None = None) -> st.SearchStrategy[Any]:
    """Feed ids, whose first two bytes name a schema: of these schemas, or of any."""
    return _feed_ids(tuple(known.prefix for known in schemas_of("feed_ids", schema)))


@cache
def _feed_ids(prefixes: tuple[bytes, ...]) -> st.SearchStrategy[Any]:
    drawn = st.tuples(st.sampled_from(prefixes), st.binary(min_size=30, max_size=30))
    return drawn.map(lambda parts: hexed(parts[0] + parts[1]))


def reports(
    *, schema: SchemaLike | Sequence[SchemaLike] | None = None, **fixed: Any
) -> st.SearchStrategy[Report]:
    """Reports with any values that their types hold; the feed id names the schema.

    `schema` is a key (`"v3"`), a version, a class, or a list of them. A field that is given by name
    has that value, or a value from that strategy; without a schema, only schemas with such a field
    are drawn.
    """
    wanted = schemas_of("reports", schema)
    if schema is None:
        named = set(fixed)
        wanted = [one for one in wanted if named <= {row.name for row in one.table.fields}]
        if not wanted:
            raise wrong("reports", next(iter(fixed)), "…", "fields that some schema has together")
    return st.one_of([_reports(one, fixed) for one in wanted])


def _reports(schema: Schema, fixed: dict[str, Any]) -> st.SearchStrategy[Report]:
    values = {"feed_id": feed_ids(schema=schema)} | fixed
    try:
        fields = values_of_table(schema.table, **values)
    except Misuse as error:
        raise wrong("reports", error.field or "", error.found, str(error.expected)) from None
    # Drawn in order, and not by `builds`, which would look up the annotations of the class.
    return st.tuples(*fields.values()).map(lambda drawn: schema.record(*drawn))
