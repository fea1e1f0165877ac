from __future__ import annotations

from ingest.receipts import Receipts

A, B = ("gw-a", 1), ("gw-b", 1)


def test_the_first_receipt_goes_at_once_and_the_next_after_the_pause() -> None:
    receipts = Receipts(1.0)
    receipts.note([A], 10.0)
    assert receipts.take(10.0) == [A]
    receipts.note([A], 10.1)
    assert receipts.take(10.9) == []
    assert receipts.take(11.0) == [A]
    assert receipts.take(20.0) == []


def test_a_gateway_that_sends_again_is_answered_at_once() -> None:
    receipts = Receipts(1.0)
    receipts.note([A, B], 10.0)
    receipts.take(10.0)
    receipts.note([A, B], 10.1)
    receipts.hurry([B], 10.1)
    assert receipts.take(10.1) == [B]


def test_the_wait_ends_when_the_next_one_is_due() -> None:
    receipts = Receipts(1.0)
    assert receipts.wait_s(0.0, 0.25) == 0.25
    receipts.note([A], 10.0)
    assert receipts.wait_s(10.0, 0.25) == 0.0
    receipts.take(10.0)
    receipts.note([A], 10.1)
    assert receipts.wait_s(10.9, 5.0) == 11.0 - 10.9


def test_what_could_not_be_sent_is_due_again() -> None:
    receipts = Receipts(1.0)
    receipts.note([A], 10.0)
    assert receipts.take(10.0) == [A]
    receipts.put_back(A, 10.0)
    assert receipts.take(10.5) == []
    assert receipts.take(11.0) == [A]
