from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import SpoolMark
from ingest.ledger import LISTED, Committed, Ledger

GATEWAY, EPOCH = "gw-a", 1_700_000_000_000
KEY = (GATEWAY, EPOCH)


def mark(seq: int, low: int = 1, gateway: str = GATEWAY, epoch: int = EPOCH) -> SpoolMark:
    return SpoolMark(gateway, epoch, seq, low)


def covered(spool: Committed, up_to: int) -> set[int]:
    return {seq for seq in range(1, up_to + 1) if seq in spool}


@given(st.lists(st.integers(1, 60)))
def test_knows_exactly_what_was_added(seqs: list[int]) -> None:
    spool = Committed()
    for seq in seqs:
        spool.add(seq)
    assert covered(spool, 70) == set(seqs)
    assert all(seq > spool.low + 1 for seq in spool.above)


@given(st.lists(st.one_of(st.integers(1, 60), st.integers(1, 60).map(lambda low: -low))))
def test_a_low_mark_covers_everything_up_to_it(steps: list[int]) -> None:
    spool, model = Committed(), set[int]()
    for step in steps:
        if step > 0:
            spool.add(step)
            model.add(step)
        else:
            spool.raise_low(-step)
            model |= set(range(1, -step + 1))
    assert covered(spool, 70) == model
    assert spool.low + 1 not in spool.above
    assert all(seq > spool.low for seq in spool.above)


@given(st.sets(st.integers(1, 200)), st.integers(0, 20))
def test_trimming_forgets_only_the_highest(seqs: set[int], bound: int) -> None:
    spool = Committed()
    for seq in seqs:
        spool.add(seq)
    before = covered(spool, 200)
    spool.trim(bound)
    after = covered(spool, 200)
    assert len(spool.above) <= bound
    assert after <= before
    assert all(lost > kept for lost in before - after for kept in after)


@given(st.lists(st.lists(st.integers(1, 40), max_size=8), max_size=12))
def test_every_sequence_is_new_exactly_once_over_all_batches(batches: list[list[int]]) -> None:
    ledger = Ledger({}, above_bound=1000)
    new: list[int] = []
    for batch in batches:
        draft = ledger.draft([mark(seq) for seq in batch])
        new += [seq for position, seq in enumerate(batch) if position not in draft.repeated]
        ledger.adopt(draft)
    assert sorted(new) == sorted({seq for batch in batches for seq in batch})


def test_a_draft_that_is_not_adopted_changes_nothing() -> None:
    ledger = Ledger({KEY: Committed(3, {7})}, above_bound=1000)
    ledger.draft([mark(4), mark(5)])
    assert ledger.draft([mark(4)]).repeated == frozenset()
    assert ledger.receipt(KEY) == {"ep": EPOCH, "low": 3, "above": [7]}


def test_the_second_copy_inside_one_batch_is_a_repetition() -> None:
    draft = Ledger({}, above_bound=1000).draft([mark(1), None, mark(1), mark(2)])
    assert draft.repeated == {2}
    assert draft.spools[KEY].low == 2


def test_what_the_spool_dropped_closes_the_gap() -> None:
    ledger = Ledger({KEY: Committed(3, {9, 10})}, above_bound=1000)
    draft = ledger.draft([mark(11, low=9)])
    assert draft.repeated == frozenset()
    assert (draft.spools[KEY].low, draft.spools[KEY].above) == (11, set())


def test_spools_of_other_gateways_and_epochs_are_apart() -> None:
    ledger = Ledger({KEY: Committed(5)}, above_bound=1000)
    draft = ledger.draft([mark(3), mark(3, epoch=EPOCH + 1), mark(3, gateway="gw-b")])
    assert draft.repeated == {0}


def test_a_receipt_lists_the_lowest_thousand() -> None:
    ledger = Ledger({KEY: Committed(0, set(range(2, 5000, 2)))}, above_bound=10_000)
    above = ledger.receipt(KEY)["above"]
    assert above == list(range(2, 2 + 2 * LISTED, 2))
