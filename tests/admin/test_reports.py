"""Reports over a ledger: exact to the last unit, and nothing is read outside of the days that were asked for."""

import csv
import io
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

import pytest

from infra.local.bench_reports import fill
from shared.admin.reports.csv import as_csv, flat_groups
from shared.admin.reports.daily import activity, summaries
from shared.admin.reports.groups import by_day, by_key, by_model, by_tag
from shared.admin.reports.names import MASTER_KEY, Names, deployment_shown, keys_of, model_shown
from shared.admin.reports.price import tokens_of_usage
from shared.admin.reports.read import days, entries, tag_days
from shared.admin.reports.rows import Row, row_rendered, rows
from shared.admin.reports.scope import Wanted, scope_of
from shared.admin.reports.sums import exact
from shared.admin.reports.time import Span, day_shown, days_after, last_days, span
from shared.app import App, open_provider
from shared.config import Config
from shared.domain.access import ADMIN, MASTER, Caller
from shared.domain.clock import DAY, HOUR, MINUTE
from shared.domain.cost import Cost
from shared.domain.errors import BadRequest
from shared.domain.ledger import SLICES, Day, LedgerEntry, TagDay, day_of
from shared.domain.usage import Tokens
from shared.pricing.book import Book
from shared.storage.ports import Query, Record
from shared.storage.queries import LEDGER, TAG_DAYS
from shared.storage.sqlite import SqliteDocuments

NOW = 1_795_000_000_000  # 2026-11-18
PEPPER = "a pepper for tests alone"
KEY = f"key-{7:024d}"


@dataclass
class Spy:
    """The documents, and how many records of each kind have been read."""

    inner: SqliteDocuments
    read: dict[str, int] = field(default_factory=dict)
    largest: int = 0

    def get(self, kind: type[Any], id: str) -> Any:
        self._count(kind, 1)
        return self.inner.get(kind, id)

    def query(self, query: Query, *values: object, after: Record | None = None, **bounds: Any) -> list[Any]:
        found = self.inner.query(query, *values, after=after, **bounds)
        self._count(query.kind, len(found))
        self.largest = max(self.largest, len(found))
        return found

    def transact(self, body: Any) -> Any:
        return self.inner.transact(body)

    def _count(self, kind: type[Any], more: int) -> None:
        self.read[kind.__name__] = self.read.get(kind.__name__, 0) + more


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[SqliteDocuments, int]]:
    documents = SqliteDocuments("sqlite://")
    spent = fill(documents, NOW, 3_000, PEPPER)
    yield documents, spent
    documents.close()


@pytest.fixture(scope="module")
def everything(filled: tuple[SqliteDocuments, int]) -> list[LedgerEntry]:
    """The ledger, newest first."""
    return filled[0].query(LEDGER, limit=10_000)


@pytest.fixture
def app(filled: tuple[SqliteDocuments, int]) -> App:
    return App(
        documents=Spy(filled[0]),
        objects=None,  # type: ignore[arg-type]
        bus=None,  # type: ignore[arg-type]
        data_bucket="data",
        work_bucket="work",
        master_key="sk-test-test",
        key_pepper=PEPPER,
        config=Config(),
        book=Book.load(),
        open_provider=open_provider,
        now=lambda: NOW,
    )


def spy(app: App) -> Spy:
    assert isinstance(app.documents, Spy)
    return app.documents


ALL = Span(0, NOW + DAY)
THREE = span("2026-11-10", "2026-11-12") or ALL


def all_of(app: App, **wanted: Any) -> Any:
    return scope_of(app, ADMIN, Wanted(**wanted))


@pytest.mark.parametrize(
    ("start", "end", "since", "until"),
    [
        ("2026-11-10", "2026-11-12", (20261110, 0), (20261112, DAY - 1)),
        ("2026-11-10 06:30:00", "2026-11-10 06:30:59", (20261110, 390 * MINUTE), (20261110, 391 * MINUTE - 1)),
        ("2026-11-10T06:30", "2026-11-10T06:30", (20261110, 390 * MINUTE), (20261110, 391 * MINUTE - 1)),
        ("2026-11-10T06:30:00Z", "2026-11-10T06:30:00.250Z", (20261110, 390 * MINUTE), (20261110, 390 * MINUTE + 250)),
        (
            *("2026-11-10T00:00:00+02:00", "2026-11-10T01:00:00 02:00"),
            *((20261109, 22 * HOUR), (20261109, 23 * HOUR + 999)),
        ),
        ("2024-02-29", "2024-02-29", (20240229, 0), (20240229, DAY - 1)),
    ],
)
def test_days_and_moments_are_utc_and_the_end_is_inclusive(
    start: str, end: str, since: tuple[int, int], until: tuple[int, int]
) -> None:
    found = span(start, end)
    assert found is not None
    assert (day_of(found.since), found.since % DAY) == since
    assert (day_of(found.until), found.until % DAY) == until


@pytest.mark.parametrize(
    ("start", "end", "param"),
    [
        ("2026-11-10", None, "end_date"),
        (None, "2026-11-10", "start_date"),
        ("2026-11-1", "2026-11-10", "start_date"),
        ("", "2026-11-10", "start_date"),
        ("2026-11-10", "2026-02-30", "end_date"),
        ("2026-11-10", "yesterday", "end_date"),
        ("2026-11-12", "2026-11-10", "start_date"),
        ("٢٠٢٦-11-10", "2026-11-10", "start_date"),
        ("2026-11-10T25:00", "2026-11-12", "start_date"),
        ("2026-11-10T00:00+99:99", "2026-11-12", "start_date"),
        ("2026-11-10T00:00+14:60", "2026-11-12", "start_date"),
        (" 2026-11-10", "2026-11-12", "start_date"),
        ("0001-01-01T00:00:00+14:00", "2026-11-12", "start_date"),
        ("2026-11-10", "9999-12-31T23:59:59-14:00", "end_date"),
    ],
)
def test_a_wrong_date_is_named(start: str | None, end: str | None, param: str) -> None:
    with pytest.raises(BadRequest) as told:
        span(start, end)
    assert told.value.param == param


def test_the_last_day_there_is_can_be_asked_for(app: App) -> None:
    found = span("1970-01-01", "9999-12-31")
    assert found is not None
    assert sum(day.entries for day in days(app, all_of(app), found)) == 3_000


def test_all_sums_agree_with_the_ledger_to_the_last_unit(app: App, filled: tuple[SqliteDocuments, int]) -> None:
    """By day, by key, by model, by team, by row: each is the same integer."""
    names, spent = Names(app), filled[1]

    def nanos(amounts: list[str]) -> int:
        return sum(int(each.replace(".", "")) for each in amounts)

    everything = all_of(app)
    assert sum(each.cost.nano for each in entries(app, everything, ALL)) == spent
    assert nanos([each["spend_exact"] for each in summaries(days(app, everything, ALL), names)]) == spent
    assert nanos([each["total_cost_exact"] for each in by_key(days(app, everything, ALL), names)]) == spent
    assert nanos([each["total_cost_exact"] for each in by_model(days(app, everything, ALL))]) == spent
    for group, plural in (("team", "teams"), ("customer", "customers")):
        found = list(by_day(days(app, everything, ALL), names, group=group))
        assert nanos([each["total_spend_exact"] for day in found for each in day[plural]]) == spent
        assert (
            nanos([part["spend_exact"] for day in found for each in day[plural] for part in each["metadata"]]) == spent
        )
        lines = list(flat_groups(found))
        assert nanos([line["spend"] for line in lines]) == spent
    assert sum(row.facts.nano for row in rows(entries(app, everything, ALL))) == spent
    page = activity(days(app, everything, ALL), names, by="team", first=0, size=10**6)
    assert page.total.facts.nano == spent
    for dimension in ("models", "model_groups", "providers", "entities", "api_keys"):
        parts = [part["metrics"] for day in page.results for part in day["breakdown"][dimension].values()]
        assert nanos([part["spend_exact"] for part in parts]) == spent


PARTS: list[tuple[dict[str, Any], Callable[[LedgerEntry], bool]]] = [
    ({}, lambda _: True),
    ({"keys": {KEY, f"key-{8:024d}"}}, lambda each: each.key in {KEY, f"key-{8:024d}"}),
    ({"keys": frozenset()}, lambda _: False),
    ({"user": "user-7"}, lambda each: each.user == "user-7"),
    ({"teams": ("team-7", "team-2")}, lambda each: each.team in {"team-7", "team-2"}),
    ({"but_teams": ("team-7",)}, lambda each: each.team != "team-7"),
    ({"model": "group-3"}, lambda each: each.group == "group-3"),
    ({"model": "model-3"}, lambda each: each.model == "model-3"),
    ({"group": "group-3"}, lambda each: each.group == "group-3"),
    ({"deployment": deployment_shown(f"{3:016x}")}, lambda each: each.deployment == f"{3:016x}"),
    ({"deployment": "nope"}, lambda _: False),
    ({"tags": {"tag-3"}}, lambda each: "tag-3" in each.tags),
    ({"batch": f"batch_{700:032x}"}, lambda each: each.batch == f"batch_{700:032x}"),
    ({"batch": "nope"}, lambda _: False),
    (
        {"user": "user-7", "tags": {"tag-1", "tag-2"}, "but_teams": ["team-2"]},
        lambda each: each.user == "user-7" and bool({"tag-1", "tag-2"} & {*each.tags}) and each.team != "team-2",
    ),
]
SPANS = [
    None,
    THREE,
    span("2026-11-10T06:30", "2026-11-12T18:30"),
    span("2026-11-10", "2026-11-12T18:30:00"),
    span("2026-11-10T06:30:00", "2026-11-12"),
    span("2026-11-10T02:00", "2026-11-10T22:00"),
    span("2026-11-10T22:00", "2026-11-11T02:00"),
    span("2026-11-10T00:00:00.001", "2026-11-10T23:59:59.999"),
    span("2026-11-10T00:00", "2026-11-11T00:00:00.000"),
]


def test_each_filter_has_its_part() -> None:
    assert {name for wanted, _ in PARTS for name in wanted} == {each.name for each in fields(Wanted)}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: "-".join(part[0]) or "all")
@pytest.mark.parametrize("some", SPANS, ids=str)
def test_a_part_of_it_is_the_same_part_everywhere(
    app: App, everything: list[LedgerEntry], part: Any, some: Span | None
) -> None:
    """Whatever is asked for, and whether days are whole: rows, days and tags come from the very same entries."""
    wanted, inside = part
    scope, within = all_of(app, **wanted), some or ALL
    due = [each for each in everything if inside(each) and within.since <= each.created_at <= within.until]
    by_tag_due: dict[tuple[int, str], int] = {}
    for each in due:
        for tag in each.tags:
            if tag in wanted.get("tags", each.tags):
                place = (day_of(each.created_at), tag)
                by_tag_due[place] = by_tag_due.get(place, 0) + each.cost.nano

    found = list(days(app, scope, some))

    assert list(entries(app, scope, some)) == due
    assert sum(row.facts.nano for row in rows(entries(app, scope, some))) == sum(each.cost.nano for each in due)
    assert sum(day.entries for day in found) == len(due)
    assert sum(day.cost.nano for day in found) == sum(each.cost.nano for each in due)
    assert len({day.id for day in found}) == len(found)
    assert [day.day for day in found] == sorted((day.day for day in found), reverse=True)
    assert {(each.day, each.tag): each.cost.nano for each in tag_days(app, scope, some)} == by_tag_due


def test_a_day_from_its_middle_is_read_from_its_entries_and_no_other(app: App) -> None:
    """Two borders: of these days the entries within the span, of those between them the sums."""
    some = span("2026-11-10T12:00", "2026-11-12T12:00") or ALL
    within = [each for each in entries(app, all_of(app), some) if day_of(each.created_at) != 20261111]
    between = [day for day in days(app, all_of(app), ALL) if day.day == 20261111]
    spy(app).read.clear()

    assert sum(day.entries for day in days(app, all_of(app), some)) > len(within) > 0

    assert spy(app).read == {"LedgerEntry": len(within), "Day": len(between)}


def test_tags_agree_whether_summed_before_or_now(app: App) -> None:
    before = {each["tag"]: each for each in by_tag(tag_days(app, all_of(app), ALL))}
    now = {
        each["tag"]: each for each in by_tag(tag_days(app, all_of(app, teams=[f"team-{n}" for n in range(10)]), ALL))
    }

    assert len(before) == 8
    assert before == now
    one = list(tag_days(app, all_of(app, tags={"tag-3"}), ALL))
    assert {each.tag for each in one} == {"tag-3"}
    tagged = sum(day.cost.nano for day in days(app, all_of(app, tags={"tag-3"}), ALL))
    assert exact(tagged) == before["tag-3"]["total_cost_exact"]


def test_summaries_read_the_sums_of_their_days_and_nothing_else(app: App) -> None:
    due = sum(1 for day in days(app, all_of(app), ALL) if 20261110 <= day.day <= 20261112)
    spy(app).read.clear()

    found = list(summaries(days(app, all_of(app), THREE), Names(app)))

    assert [each["startTime"] for each in found] == ["2026-11-12", "2026-11-11", "2026-11-10"]
    assert 0 < due < 300
    assert spy(app).read["Day"] == due
    assert set(spy(app).read) <= {"Day", "Key"}
    assert spy(app).read["Key"] <= 50


def test_rows_read_the_entries_of_their_days_and_nothing_else(app: App) -> None:
    due = sum(1 for entry in entries(app, all_of(app), ALL) if 20261110 <= day_of(entry.created_at) <= 20261112)
    spy(app).read.clear()

    assert sum(row.facts.nano for row in rows(entries(app, all_of(app), THREE))) > 0

    assert spy(app).read == {"LedgerEntry": due}


def test_tags_read_the_tags_of_their_days_and_nothing_else(app: App) -> None:
    due = len(spy(app).inner.query(TAG_DAYS, at_least=20261110, at_most=20261112, limit=10_000))
    spy(app).read.clear()

    list(tag_days(app, all_of(app), THREE))

    assert spy(app).read == {"TagDay": due}


def test_slices_of_a_tag_are_one_sum(app: App) -> None:
    """Whether they are read, or made from the entries: a filter that all of them pass asks for these."""
    stored = spy(app).inner.query(TAG_DAYS, limit=100_000)
    whole = list(tag_days(app, all_of(app), ALL))
    made = list(tag_days(app, all_of(app, but_teams=("nobody",)), ALL))

    assert len({each.slice for each in stored}) == SLICES
    assert len({(each.day, each.tag) for each in whole}) == len(whole) < len(stored)
    assert sum(each.cost.nano for each in whole) == sum(each.cost.nano for each in stored)
    assert [(each.day, each.tag, each.entries, each.tokens, each.counts, each.cost) for each in whole] == [
        (each.day, each.tag, each.entries, each.tokens, each.counts, each.cost) for each in made
    ]


def test_a_key_reads_its_own_and_its_users_only(app: App) -> None:
    """However much others have spent, and whoever it asks for."""
    caller = Caller(owner="user:user-7", user="user-7", key=KEY, team="team-7")
    own = [each for each in days(app, all_of(app), THREE) if each.user == "user-7" or each.key == KEY]
    for wanted in (Wanted(), Wanted(keys={f"key-{1:024d}"}), Wanted(user="user-1"), Wanted(teams=("team-1",))):
        spy(app).read.clear()
        found = list(days(app, scope_of(app, caller, wanted), THREE))
        assert [each.id for each in found] == ([each.id for each in own] if wanted == Wanted() else [])
        assert spy(app).read["Day"] <= 2 * len(own)


def test_it_is_read_in_pages(app: App) -> None:
    assert sum(1 for _ in entries(app, all_of(app), ALL)) == 3_000
    assert spy(app).largest == 1_000


def entry(batch: str, shard: int, at: int, *, began: int | None = 0, **more: Any) -> LedgerEntry:
    given: dict[str, Any] = {"owner": "o", "team": None, "group": "g", "deployment": "d", "model": "m", "book": "b"}
    given |= {"tokens": {"text": 1}, "cost": Cost(nano=1, priced_lines=1), **more}
    return LedgerEntry(id=f"{batch}-{shard:04d}", batch=batch, created_at=at, started_at=began, **given)


def test_one_row_for_a_batch_however_its_shards_came() -> None:
    """Random interleavings: every batch once, with all of its entries, in the order of their newest."""
    for seed in range(50):
        dice = random.Random(seed)
        made = []
        for number in range(20):
            began = dice.randrange(1_000) * HOUR
            times = [began + dice.randrange(96 * HOUR) for _ in range(dice.randrange(1, 6))]
            made += [entry(f"batch_{number}", at, time, began=began) for at, time in enumerate(times)]
        made.sort(key=lambda each: (each.created_at, each.id), reverse=True)

        found = list(rows(iter(made)))

        assert [row.batch for row in found] == list(dict.fromkeys(each.batch for each in made))
        for row in found:
            assert row.facts.nano == sum(1 for each in made if each.batch == row.batch)
        some = list(rows(iter(made), most=7))
        assert [(row.batch, row.facts) for row in some] == [(row.batch, row.facts) for row in found[:7]]


def test_rows_that_are_capped_stop_reading() -> None:
    """Behind the moment in which the oldest of them began there is nothing to look for."""
    made = [entry(f"batch_{number}", 1, number * DAY, began=number * DAY - HOUR) for number in range(1_000, 0, -1)]
    read = 0

    def counted() -> Iterator[LedgerEntry]:
        nonlocal read
        for each in made:
            read += 1
            yield each

    assert len(list(rows(counted(), most=10))) == 10
    assert read < 20


def test_few_rows_are_held_at_once() -> None:
    """A row leaves as soon as none of its entries can come any more."""
    made = (entry(f"batch_{number}", 1, number * HOUR, began=number * HOUR - MINUTE) for number in range(5_000, 0, -1))
    behind = 0
    for number, row in enumerate(rows(each for each in made)):
        behind = max(behind, int(row.batch.removeprefix("batch_")) - (5_000 - number))
    assert behind <= 3


def test_what_has_no_known_price_is_not_free(app: App) -> None:
    unpriced = replace(entry("batch_a", 1, 5), cost=Cost(unpriced_lines=3))
    row = row_rendered(next(rows([unpriced])), Names(app))
    assert (row["spend"], row["spend_exact"], row["metadata"]["unpriced_requests"]) == (0.0, None, 3)


def test_a_batch_of_several_models_is_one_row_that_names_them(app: App) -> None:
    row = Row(entry("batch_a", 1, 5))
    for model, nano in (("b", 3), ("a", 4)):
        row.add(entry("batch_a", 1, 5, model=model, cost=Cost(nano=nano, priced_lines=1)))
    shown = row_rendered(row, Names(app))
    assert (shown["model"], shown["spend_exact"]) == ("a, b", "0.000000007")
    assert shown["metadata"]["spend_by_model"] == {"b": "0.000000003", "a": "0.000000004"}


def test_keys_are_known_by_themselves_their_hash_and_what_is_shown_of_them(app: App) -> None:
    names = Names(app)
    shown = names.key(KEY)
    assert len(shown) == 64
    assert [keys_of(app, text) for text in ("sk-bench-0007-bench", shown, KEY)] == [{KEY}] * 3
    masters = ("sk-test-test", "master", MASTER_KEY, names.key(MASTER))
    assert [keys_of(app, text) for text in masters] == [{MASTER}] * 4
    assert [keys_of(app, text) for text in ("sk-bench-9999-bench", "", "0" * 64, "sk-ü")] == [frozenset()] * 4
    assert names.key("key-gone") == "key-gone"
    assert names.alias(KEY) == "alias-7"


def test_names_give_nothing_away() -> None:
    assert model_shown("projects/p/locations/l/endpoints/1") == "endpoints/1"
    assert model_shown("openai/gpt-4o@0123456789abcdef") == "openai/gpt-4o"
    assert model_shown("claude-3@20250101") == "claude-3@20250101"
    assert deployment_shown("0123456789abcdef:gemini") == deployment_shown("0123456789abcdef")
    assert "0123456789abcdef" not in deployment_shown("0123456789abcdef")


WIDE = "\uff1d\uff0b\uff0d\uff20"  # =, +, - and @ of full width


def test_a_table_is_rfc_4180_and_runs_nothing() -> None:
    """Commas, quotes and line ends are quoted; what a spreadsheet would take for a formula is text."""
    evil = ["=1+1", "+1", "-1", "@SUM(A1)", "\t1", "\r1", "\n1", *(f"{sign}1" for sign in WIDE)]
    cells = [*evil, 'a "b", c', "two\r\nlines", "é", None, 0, -5, "0.000000001"]
    table = b"".join(as_csv(["a", "b"], ({"a": cell, "b": "x", "c": "not asked for"} for cell in cells))).decode()

    assert table.startswith("a,b\r\n")
    assert '"a ""b"", c",x\r\n' in table
    read = [line[0] for line in csv.reader(io.StringIO(table, newline=""))][1:]
    assert read == [*(f"'{cell}" for cell in evil), 'a "b", c', "two\r\nlines", "é", "", "0", "-5", "0.000000001"]


@pytest.mark.parametrize("behind", [*";|\t\r\n", "; ", ';"', ";;", ";\n", "| \t"])
@pytest.mark.parametrize("sign", [*"=+-@", *WIDE])
def test_a_table_runs_nothing_for_whoever_takes_another_separator(behind: str, sign: str) -> None:
    """What is between cells for some is made text right behind it, and no character of the cell is lost."""
    cell = f"a{behind}{sign}cmd|'/C calc'!A0;b-c;d=e"
    [table] = as_csv(["a"], [{"a": cell}])
    [_, [read]] = csv.reader(io.StringIO(table.decode(), newline=""))

    assert read.replace("'", "") == cell.replace("'", "")
    assert re.search(r"""[;|\t\r\n][\s"]*[=+@\-\uff1d\uff0b\uff0d\uff20]""", read) is None
    assert read.endswith(";b-c;d=e")


def test_a_table_is_sent_in_pieces() -> None:
    pieces = list(as_csv(["a"], ({"a": "x" * 100} for _ in range(10_000))))
    assert len(pieces) > 10
    assert max(map(len, pieces)) < 70_000


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 5.0, "completion_tokens": 1e1}, Tokens(text=5, output=10)),
        ({"prompt_tokens": 5.5, "completion_tokens": 1}, None),
        ({"prompt_tokens": 9, "completion_tokens": 12}, Tokens(text=9, output=12)),
        ({"input_tokens": 9, "output_tokens": 12}, Tokens(text=9, output=12)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 12,
                "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Tokens(text=3, audio=2, cached_text=4, output=7, thinking=5),
        ),
        ({"prompt_tokens": 9, "total_tokens": 9}, Tokens(text=9)),  # OpenAI's of embeddings
        ({"input_tokens": 9, "output_tokens": None}, Tokens(text=9)),
        ({"prompt_tokens": 9, "completion_tokens": -1}, None),
        ({"completion_tokens": 9}, None),
        ({"prompt_tokens": -1, "completion_tokens": 1}, None),
        ({"prompt_tokens": "9", "completion_tokens": 1}, None),
        ({"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4}}, None),
    ],
)
def test_tokens_of_an_answer(usage: dict[str, Any], tokens: Tokens | None) -> None:
    assert tokens_of_usage(usage) == tokens


def test_days_behind_the_last_one() -> None:
    assert list(days_after(20261230, 20270102)) == ["2026-12-31", "2027-01-01", "2027-01-02"]
    assert list(days_after(0, 20270102)) == list(days_after(20270102, 20270102)) == []
    assert day_shown(last_days(NOW, 30).days[0]) == "2026-10-19"


def test_exact_amounts() -> None:
    assert [exact(each) for each in (0, 1, 10**9, -5, 123_456_789_012_345_678_901)] == [
        *("0.000000000", "0.000000001", "1.000000000", "-0.000000005"),
        "123456789012.345678901",
    ]


def test_the_kinds_are_those_that_the_ledger_sums(filled: tuple[SqliteDocuments, int]) -> None:
    """What the generator writes is what the books would."""
    documents, _ = filled
    app = App(
        documents=documents, objects=None, bus=None, data_bucket="", work_bucket="", master_key="x" * 16,  # type: ignore[arg-type]
        config=Config(), book=Book.load(), open_provider=open_provider, now=lambda: NOW,
    )  # fmt: skip
    assert {type(each) for each in days(app, all_of(app), THREE)} == {Day}
    assert {type(each) for each in tag_days(app, all_of(app), THREE)} == {TagDay}
