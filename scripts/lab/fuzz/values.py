"""The values of scenarios, as Python source that a worker evaluates (see words.py)."""

import ast
from dataclasses import dataclass


def texts(source: str) -> list[str]:
    """Return the source of each of some expressions.

    >>> texts("1, F('n') + 1")
    ['1', "F('n') + 1"]
    """
    parsed = ast.parse(f"[{source}]", mode="eval").body
    assert isinstance(parsed, ast.List)
    return [ast.unparse(each) for each in parsed.elts]


@dataclass(frozen=True)
class Kind:
    """The values of one kind of field, each attribute a list of expressions.

    ``good`` values can be stored, ``odd`` ones perhaps not, and no row has a ``fresh``
    one. ``forms`` are what means a row's VALUE, or nearly means it.
    """

    good: str = ""
    odd: str = ""
    fresh: str = ""
    forms: str = ""


CHAR = Kind(
    "'x', 'b', 'new', '', safe('s'), Colour.A",
    "'x' * 60, 'n\\0ul', 5, F('slug'), Upper('slug')",
    "'new', 'x', 'x' * 8, 'x' * 21, 'A', 'new  ', 5",
    "VALUE.upper(), VALUE + ' ', safe(VALUE), lazy(VALUE)",
)
INTEGER = Kind(
    "9, 0, 1, 5, -3, '4', True, F('n') + 1",
    """'bad', 2**70, -(2**70), 2**40, 1.5, '', F('slug'),
    Case(When(n__gte=4, then=Value(1)), default=0)""",
    "77, '78', 5",
    "str(VALUE), float(VALUE), f' {VALUE} ', VALUE + 0.5",
)
DECIMAL = Kind(
    """Decimal('9.50'), Decimal('1.24'), Decimal('9.505'), Decimal('3'),
    F('amount') + 1""",
    """Decimal('NaN'), Decimal('1e12'), F('amount') + 10**12, F('ratio'), 'bad', 1.1""",
    "Decimal('9.50'), Decimal('1.234'), Decimal('1.236'), '9'",
    "str(VALUE), float(VALUE), Decimal(f'{VALUE}4'), f'{VALUE}0'",
)
DATE = Kind(
    "date(2026, 2, 3), '2026-02-04'",
    """'bad', '2026-02-31', Value('2026-02-31'), F('seen'), 5,
    F('day') + timedelta(seconds=10**12), datetime(2026, 2, 3, 4, 5, 6)""",
    "date(2026, 2, 3)",
)
DATETIME = Kind(
    "datetime(2026, 2, 3, 4, 5, 6)",
    "'bad', date(2026, 2, 3), datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)",
    "datetime(2026, 2, 3, 4, 5, 6)",
)
DURATION = Kind(
    "timedelta(seconds=60), timedelta(seconds=90.5)",
    "'bad', 5, timedelta(seconds=10**10), F('span') + timedelta.max",
    "timedelta(seconds=60)",
)
JSON = Kind(
    "{'b': [1, None]}, 5, 'text', True, [1, 2]",
    "b'x', Value(5), F('n')",
    "{'b': 1}, 5",
)
FLOAT = Kind("0.25, 1, 1e300", "float('nan'), float('inf'), 'bad'", "0.25, 0.1 + 0.2")
UUID = "UUID(int=77), '77'.zfill(32)"
FILES = "'two.txt', ContentFile(b'content', 'three.txt'), ''"
# The class of a field, or the nearest of its bases that is here → its values.
KINDS = {
    "BigIntegerField": Kind(
        "9, 2**40, -(2**40)", "2**70, 'bad'", "77, '78'", INTEGER.forms
    ),
    "BooleanField": Kind("True, False", "'bad', 2, None", "True, False"),
    "CharField": CHAR,
    "CompositePrimaryKey": Kind(fresh="[7, 8], (1, 3)"),
    "ContentType": Kind("type_of(Plain), type_of(Owner)", "99, 'bad'", "type_of(Item)"),
    "DateField": DATE,
    "DateTimeField": DATETIME,
    "DecimalField": DECIMAL,
    "DurationField": DURATION,
    "FileField": Kind(FILES, "5, b'x'"),
    "FloatField": FLOAT,
    "IntegerField": INTEGER,
    "JSONField": JSON,
    "TextField": CHAR,
    "TimeField": Kind("time(1, 2, 3), '01:02'", "'bad', 5", "time(1, 2, 3)"),
    "UUIDField": Kind(UUID, "'bad', 5", UUID, "VALUE.hex"),
    "property": Kind("5, 6", "'bad', None"),
}
# Odd defaults of every kind of field.
ANYWHERE = """
    None, call(5), call('called'), call(5, 'raise'), call(5, 'IntegrityError'),
    call(5, 'commit'), call(5, 'query'), int, str, row(Owner, 1), row(Plain, 2),
    new(Owner), Value(5), Value('bad'), lazy('lazy'), lazy(5), Count('id'),
    Subquery(Plain.objects.filter(slug='b').values('slug')[:1]),
    Subquery(Plain.objects.filter(slug='b').values('n')[:1]),
    Owner._base_manager.filter(pk__lt=2), b'x', {'a': 1}, [1, 2], F('nothing'),
    F('owner__n'), F('pk')
"""
# Values of a lookup that seldom find a row.
NOWHERE = """
    None, 'bad', 2**70, '', F('n'), F('slug'), call('a'), Value('a'), lazy('a'),
    row(Owner, 1), row(Plain, 1), row(Owner, 99), new(Owner), {'a': 1}, [1], (1, 1),
    b'a', Owner._base_manager.filter(pk__lt=2),
    Subquery(Plain.objects.filter(slug='b').values('slug')[:1])
"""

# The patched Django has its own path for most of these.
TAME_STEPS = """
    qs.filter(n__gte=0), qs.filter(n__lt=5), qs.filter(n=4), qs.filter(pk=1),
    qs.exclude(n=1), qs.filter(Q(n=1) | Q(n=4)), qs.order_by('-n'), qs.reverse(),
    qs.using('default'), qs.using('other'), qs.select_for_update(), qs.none(),
    qs.fetch_mode(FETCH_PEERS), qs.fetch_mode(FETCH_RAISE), evaluated(qs)
"""
WILD_STEPS = """
    qs.only('n'), qs.only('pk'), qs.defer('n'), qs.select_related(),
    qs.select_related('owner'), qs.prefetch_related('notes'),
    qs.annotate(more=F('n') + 1), qs.annotate(many=Count('pk')),
    qs.alias(more=F('n') + 1), qs.all()[0:1], qs.all()[1:2], qs.distinct(),
    qs.distinct('n'), qs.select_for_update(nowait=True),
    qs.select_for_update(skip_locked=True), qs.select_for_update(of=['self']),
    qs.values(), qs.values('n'), qs.values_list('n'), qs.union(qs.all()),
    qs.intersection(qs.all()), qs.extra(select={'more': 'n + 1'}),
    qs.extra(where=['n >= 4']), qs.extra(where=['n >= 4 OR n = 1']),
    qs.extra(tables=['fuzz_owner']), qs.filter(owner__n=1), qs.filter(slug='a'),
    qs.exclude(slug='a'), qs.exclude(tag='x'), qs.filter(tag='a'),
    qs.filter(nothing=1), qs.filter(Q(pk=1) | Q(pk=2)),
    qs.filter(Q(tag='a') | Q(n__gte=0)), qs.filter(Q(slug='a') | Q(n__gte=0)),
    qs.large(), explained(qs), qs.all()._disable_cloning(),
    altered(qs, query=qs.query.chain(klass=NotedQuery)),
    altered(qs, _iterable_class=NotedIterable)
"""
# Methods of query sets that a project overrides, and of models that it patches.
OVERRIDDEN = """
    get get_or_create create filter select_for_update order_by using
    _filter_or_exclude _filter_or_exclude_inplace _chain _clone _fetch_all _update
    _extract_model_params __len__ __iter__ exclude count iterator
"""
PATCHED = """
    save save_base _save_parents _save_table _do_update _do_insert
    _prepare_related_fields_for_save _assign_returned_values _get_pk_val _set_pk_val
    _is_pk_set __setattr__ full_clean
"""
AROUND = """
    receiver('pre_save'), receiver('post_save'), receiver('pre_init'),
    receiver('post_init'), receiver('pre_save', all=True),
    receiver('post_save', all=True), receiver('pre_init', all=True),
    receiver('post_init', all=True), routed()
"""
# Related managers, by the model that they manage.
RELATED = {
    "Item": ("row(Owner, {}).items", "row(Plain, {}).guests"),
    "Note": ("row(Owner, {}).notes",),
    "Ordered": ("row(Owner, {}).ordered_set",),
    "Owner": ("row(Plain, {}).owners",),
    "Plain": ("row(Owner, {}).plains",),
}
