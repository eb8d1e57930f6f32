from hypothesis import given
from hypothesis import strategies as st

from shared.lines.unique import CustomIds


@given(st.lists(st.sampled_from([f"id-{n}" for n in range(30)])))
def test_exactly_the_later_lines_of_the_same_id_are_repeats(ids: list[str]) -> None:
    first = CustomIds()
    for custom_id in ids:
        first.add(custom_id)
    second = first.repeats()
    found = [second is not None and second.is_repeat(custom_id) for custom_id in ids]
    assert found == [custom_id in ids[:at] for at, custom_id in enumerate(ids)]
    assert (second is None) == (len(set(ids)) == len(ids))
