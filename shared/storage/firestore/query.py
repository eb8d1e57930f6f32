"""A declared query in Firestore's words."""

from typing import Final

from google.cloud.firestore_v1.types import Cursor, StructuredQuery, Value

from shared.storage.firestore import layout
from shared.storage.firestore.values import value_of
from shared.storage.ports import Query
from shared.storage.queries import ALL

__all__ = ["structured"]

_Filter: Final = StructuredQuery.Filter
_Compare: Final = StructuredQuery.FieldFilter.Operator
_Is: Final = StructuredQuery.UnaryFilter.Operator
_Direction: Final = StructuredQuery.Direction


def structured(
    query: Query,
    values: tuple[object, ...],
    *,
    at_least: int | None = None,
    at_most: int | None,
    after: tuple[int, str] | None,
    limit: int,
) -> StructuredQuery:
    """The query for these values; `after` is a place in its order: a value, and the full name of a document.

    The document need not be there any more.
    """
    if query not in ALL:
        raise ValueError(f"{query} is not declared in queries.py")
    if len(values) != len(query.equal):
        raise ValueError(f"{query.kind.__name__} by {query.equal}: {len(values)} values")
    terms = [_equals(name, layout.searchable(name, value)) for name, value in zip(query.equal, values, strict=True)]
    if at_least is not None:
        terms.append(_compares(query.order, _Compare.GREATER_THAN_OR_EQUAL, at_least))
    if at_most is not None:
        terms.append(_compares(query.order, _Compare.LESS_THAN_OR_EQUAL, at_most))
    every = StructuredQuery.CompositeFilter(op=StructuredQuery.CompositeFilter.Operator.AND, filters=terms)
    direction = _Direction.DESCENDING if query.descending else _Direction.ASCENDING
    place = None if after is None else [value_of(after[0]), Value(reference_value=after[1])]
    return StructuredQuery(
        from_=[StructuredQuery.CollectionSelector(collection_id=layout.collection(query.kind))],
        where=_Filter(composite_filter=every) if terms else None,
        order_by=[StructuredQuery.Order(field=_field(name), direction=direction) for name in (query.order, "__name__")],
        start_at=None if place is None else Cursor(values=place, before=False),
        limit=limit,
    )


def _equals(name: str, plain: layout.Plain) -> StructuredQuery.Filter:
    if plain is None:
        return _Filter(unary_filter=StructuredQuery.UnaryFilter(op=_Is.IS_NULL, field=_field(name)))
    return _compares(name, _Compare.EQUAL, plain)


def _compares(name: str, operator: int, plain: layout.Plain) -> StructuredQuery.Filter:
    compared = StructuredQuery.FieldFilter(field=_field(name), op=operator, value=value_of(plain))
    return _Filter(field_filter=compared)


def _field(name: str) -> StructuredQuery.FieldReference:
    return StructuredQuery.FieldReference(field_path=name)
